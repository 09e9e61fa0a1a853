// The overlay workbench: an encounter takes its items along, a stretch of time is ticked at once.

const form = document.querySelector("form.bench");
const boxes = () => [...form.querySelectorAll("[name=goes_item]")];

function count() {
  const going = boxes().filter((box) => box.checked).length;
  form.querySelector("[data-going]").textContent = `${going} of ${boxes().length} items go.`;
}

if (form) {
  form.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-all-items]")) boxes().forEach((each) => { each.checked = box.checked; });
    if (box.matches("[name=goes_item]") && box.value === box.dataset.encounter) {
      boxes().filter((each) => each.dataset.encounter === box.value).forEach((each) => { each.checked = box.checked; });
    }
    count();
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-stretch]");
    if (!button) return;
    const since = form.querySelector("[data-since]").value;
    const until = form.querySelector("[data-until]").value;
    for (const box of boxes()) {
      const filed = box.closest("tr").querySelector("[data-filed]").dataset.filed;
      if ((!since || filed >= since) && (!until || filed <= until)) box.checked = button.dataset.stretch === "goes";
    }
    count();
  });
  count();
}

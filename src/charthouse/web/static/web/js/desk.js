// A work queue: what is done is done to the rows that are selected, or to the one at hand where none is.
//
//   data-desk         a form that acts on items; these are added as it is sent, with the place to come back to
//   data-select       the checkbox of a row; data-select-all selects every row of the page

const boxes = () => [...document.querySelectorAll("input[data-select]")];
const selected = () => boxes().filter((box) => box.checked);

let atHand = null;

function mark(row) {
  if (!row?.querySelector("input[data-select]")) return;
  for (const other of document.querySelectorAll("tr[data-row][aria-current]")) other.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  atHand = row;
}

function counts() {
  const chosen = selected().length;
  for (const place of document.querySelectorAll("[data-selected]")) {
    place.textContent = chosen ? `${chosen} selected` : "";
  }
  const all = document.querySelector("input[data-select-all]");
  if (all) {
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
  }
}

document.addEventListener("focusin", (event) => mark(event.target.closest("tr[data-row]")));

// A row that has the focus when the page opens had it before anything could listen.
window.addEventListener("load", () => mark(document.activeElement?.closest("tr[data-row]")));

document.addEventListener("change", (event) => {
  if (event.target.matches("input[data-select-all]")) {
    for (const box of boxes()) box.checked = event.target.checked;
  }
  if (event.target.matches("input[data-select], input[data-select-all]")) counts();
});

document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-desk]")) return;
  const chosen = selected();
  const here = atHand?.querySelector("input[data-select]");
  if (!chosen.length && here) chosen.push(here);
  for (const box of chosen) event.formData.append("item", box.value);
  if (here) {
    event.formData.append("hand", here.value.split(".")[0]);
    event.formData.append("place", String(boxes().indexOf(here)));
  }
});

window.addEventListener("pageshow", counts);

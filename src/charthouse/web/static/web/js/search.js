// Find a patient: the ARIA combobox pattern over a list that the server fills while one types. htmx sends the
// text by POST and gives up an answer that a later keystroke has made stale (hx-sync); this moves within it.

const input = document.querySelector("[data-find]");

if (input) {
  const list = document.getElementById(input.getAttribute("aria-controls"));
  const status = document.getElementById("find-status");
  const options = () => [...list.querySelectorAll('[role="option"]:not([aria-disabled="true"])')];
  let chosen = -1;
  let answered = ""; // the text that the list answers

  const open = () => input.setAttribute("aria-expanded", String(list.childElementCount > 0));

  const close = () => {
    list.replaceChildren();
    choose(-1);
    open();
  };

  const choose = (index) => {
    chosen = index;
    options().forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    const option = options()[index];
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  };

  const follow = (option) => {
    if (option?.dataset.href) window.location.assign(option.dataset.href);
  };

  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.target !== list) return;
    if (document.activeElement !== input || !input.value.trim()) return close();
    choose(-1);
    open();
    answered = input.value;
    const count = options().length;
    status.textContent =
      count > 1 ? `${count} found; use the arrow keys` : count ? "One found; Enter opens it" : list.textContent.trim();
  });

  input.addEventListener("keydown", (event) => {
    const count = options().length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!count) return;
      event.preventDefault();
      choose((chosen + (event.key === "ArrowDown" ? 1 : -1) + count + (chosen < 0 && event.key === "ArrowUp" ? 1 : 0)) % count);
    } else if (event.key === "Enter" && (chosen >= 0 || (count === 1 && answered === input.value))) {
      // The only one found needs no choosing.
      event.preventDefault();
      follow(options()[Math.max(chosen, 0)]);
    } else if (event.key === "Escape" && (list.childElementCount || input.value)) {
      event.preventDefault();
      event.stopPropagation();
      if (!list.childElementCount) input.value = "";
      close();
    }
  });

  input.addEventListener("input", () => {
    if (!input.value.trim()) close();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => follow(event.target.closest('[role="option"]')));
  input.addEventListener("blur", () => window.setTimeout(() => document.activeElement !== input && close(), 100));
}

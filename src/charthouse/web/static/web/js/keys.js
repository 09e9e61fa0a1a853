// The keyboard. A key belongs to the element that carries it:
//
//   data-key="s"            pressing s clicks the element, or moves into it when it is a field
//   data-key="g r"          two strokes, one after the other
//   data-key-label="…"      what the key does, for the list of keys; else the element's own words
//   data-list, data-item    j and k move among the items of the list; Enter follows the link that has the focus
//
// A key within the item at hand comes before one of the page. Keys never act while a field is being typed in,
// while a dialog is open, or together with Ctrl, Alt or Meta; and they can be switched off (WCAG 2.1.4).

const PREFERENCE = "charthouse-single-keys";
const PATIENCE = 1200;

let pending = "";
let pendingSince = 0;

const enabled = () => window.localStorage.getItem(PREFERENCE) !== "off";

function typing(element) {
  return (
    element instanceof HTMLElement &&
    (element.isContentEditable ||
      element.matches("textarea, select, [role=combobox]") ||
      (element.matches("input") && !["checkbox", "radio", "button", "submit"].includes(element.type)))
  );
}

const visible = (element) => element.getClientRects().length > 0;

function carriers(key) {
  const here = document.activeElement?.closest("[data-row]");
  const selector = `[data-key="${CSS.escape(key)}"]`;
  return [...(here?.querySelectorAll(selector) ?? []), ...document.querySelectorAll(selector)].filter(visible);
}

function begins(prefix) {
  return document.querySelector(`[data-key^="${CSS.escape(prefix)} "]`) !== null;
}

function act(element) {
  if (element.matches("input:not([type=checkbox]):not([type=radio]), select, textarea")) {
    element.focus();
    element.select?.();
  } else if (window.htmx && element.matches("[hx-get], [hx-post]") && !element.hasAttribute("data-htmx-powered")) {
    // Pressed while the page loads: what htmx has not bound yet would be followed as a mere link.
    document.addEventListener("htmx:after:process", () => element.click(), { once: true });
  } else {
    element.click();
  }
}

function move(step) {
  const lists = [...document.querySelectorAll("[data-list]")].filter(visible);
  const list = document.activeElement?.closest("[data-list]") ?? lists[0];
  if (!list) return false;
  const items = [...list.querySelectorAll("[data-item]")].filter(visible);
  if (!items.length) return false;
  const row = document.activeElement?.closest("[data-row]");
  const at = items.findIndex((item) => item === document.activeElement || (row && row.contains(item)));
  const from = at >= 0 ? at : items.findIndex((item) => item.hasAttribute("aria-current"));
  const next = from < 0 ? (step > 0 ? 0 : items.length - 1) : from + step;
  const item = items[Math.min(Math.max(next, 0), items.length - 1)];
  item.focus();
  item.scrollIntoView({ block: "nearest" });
  return true;
}

function strokes(text) {
  const parts = text.split(" ").map((stroke) => {
    const key = document.createElement("kbd");
    key.textContent = stroke;
    return key;
  });
  return parts;
}

function wordsOf(element) {
  const named = element.dataset.keyLabel ?? element.getAttribute("aria-label");
  if (named) return named;
  const copy = element.cloneNode(true);
  for (const stroke of copy.querySelectorAll("kbd")) stroke.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
}

function showKeys() {
  const dialog = document.getElementById("keys");
  const list = dialog?.querySelector(".key-list");
  if (!list || dialog.open) return;
  list.replaceChildren();
  const rows = new Map();
  if (document.querySelector("[data-list] [data-item]")) {
    rows.set("j k", "move down and up the list");
    rows.set("Enter", "open");
  }
  for (const element of document.querySelectorAll("[data-key]")) {
    if (rows.has(element.dataset.key)) continue;
    rows.set(element.dataset.key, wordsOf(element));
  }
  rows.set("Esc", "close what is open");
  for (const [key, words] of rows) {
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.append(...strokes(key));
    description.textContent = words;
    list.append(term, description);
  }
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.key === "Escape" && typing(event.target)) {
    event.target.blur();
    return;
  }
  if (event.key.length !== 1 || !enabled() || typing(event.target) || document.querySelector("dialog[open]")) return;
  const key = Date.now() - pendingSince < PATIENCE && pending ? `${pending} ${event.key}` : event.key;
  pending = "";
  if (key === "?") {
    event.preventDefault();
    showKeys();
    return;
  }
  const [carrier] = carriers(key);
  if (carrier) {
    event.preventDefault();
    act(carrier);
  } else if (begins(key)) {
    event.preventDefault();
    pending = key;
    pendingSince = Date.now();
  } else if (key === "j" || key === "k") {
    if (move(key === "j" ? 1 : -1)) event.preventDefault();
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-shows-keys]")) showKeys();
});

const choice = document.getElementById("single-keys");
if (choice) {
  choice.checked = enabled();
  choice.addEventListener("change", () => {
    window.localStorage.setItem(PREFERENCE, choice.checked ? "on" : "off");
  });
}

// A list says where the reader stands: the first item is within reach of Tab, as is every other.
document.querySelector("[data-list] [data-item][autofocus]")?.focus();

// Reading a document: words found in it, its size, its pages, the documents before and after it.
//
//   data-reader            the region that scrolls, with what is read
//   data-reader-find       the form with the words; its address answers where they stand on pages drawn by the server
//   data-reader-act="…"    a button: next, before (found), larger, smaller, fit, page-next, page-before, newer, older
//
// What is found is marked by the browser's own highlights or by a drawing over a page: the text itself is not touched.

const SIZES = [50, 75, 100, 125, 150, 200, 300];
const SVG = "http://www.w3.org/2000/svg";

let size = 100;
let found = []; // ranges and drawn boxes, in reading order
let at = -1;
let asked = 0; // the last search; an answer to an earlier one is not shown

const region = () => document.querySelector("[data-reader]");
const form = () => document.querySelector("[data-reader-find]");
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const moves = () => (window.matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

// What was found has a place of its own: its answer may come late, when something else was said meanwhile.
function say(words, where = "[data-reader-said]") {
  const place = document.querySelector(where);
  if (place) place.textContent = words;
}

const tell = (words) => say(words, "[data-reader-found]");

// ---- finding

// What is looked for: words and "words together", without those that must not be there; whole words only where the
// text came from a search that was already made.
function wanted(text, whole) {
  const terms = [];
  for (const [, minus, phrase, plain] of text.matchAll(/(-?)(?:"([^"]*)"?|(\S+))/g)) {
    const written = phrase ?? plain;
    const words = folded(written).match(/[\p{L}\p{N}]+/gu);
    if (minus || !words) continue;
    const singular = words.map((word) => (word.length > 3 ? word.replace(/(?<![usi])s$/, "") : word));
    const begins = !whole || (phrase === undefined && written.endsWith("*"));
    const end = begins ? "" : "(?:s|es)?(?![\\p{L}\\p{N}])";
    const between = "(?:s|es)?[^\\p{L}\\p{N}]+";
    terms.push(`(?<![\\p{L}\\p{N}])${(begins ? words : singular).join(between)}${end}`);
  }
  return terms.length ? new RegExp(terms.join("|"), "gu") : null;
}

// The text of the region in one piece, folded, and for each of its characters the node and place it came from.
function flattened(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement.closest("summary, .unseen, [hidden], details:not([open])")
      ? NodeFilter.FILTER_REJECT
      : NodeFilter.FILTER_ACCEPT,
  );
  let text = "";
  const places = [];
  let block = null;
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const here = node.parentElement.closest("p, li, td, th, dd, dt, pre, h1, h2, h3, h4, h5, h6, div, figure");
    if (block && here !== block) {
      text += "\n";
      places.push(null);
    }
    block = here;
    let place = 0;
    for (const character of node.data) {
      for (const each of folded(character)) {
        text += each;
        for (let unit = 0; unit < each.length; unit += 1) places.push([node, place, place + character.length]);
      }
      place += character.length;
    }
  }
  return { text, places };
}

function rangesOf(root, pattern) {
  const { text, places } = flattened(root);
  const ranges = [];
  for (const match of text.matchAll(pattern)) {
    const first = places[match.index];
    const last = places[match.index + match[0].length - 1];
    if (!first || !last) continue;
    const range = document.createRange();
    range.setStart(first[0], first[1]);
    range.setEnd(last[0], last[2]);
    ranges.push(range);
  }
  return ranges;
}

function clear(root) {
  CSS.highlights?.delete("found");
  CSS.highlights?.delete("found-now");
  for (const drawn of root.querySelectorAll("svg.found")) drawn.remove();
  found = [];
  at = -1;
}

// The boxes of the words on pages that the server draws.
async function drawn(root, search) {
  const pages = [...root.querySelectorAll("[data-page]")];
  if (!pages.length) return [];
  const answer = await fetch(search.action, { method: "POST", body: new FormData(search) });
  if (!answer.ok) return [];
  const marks = [];
  for (const { part, page, width, height, boxes } of (await answer.json()).pages) {
    const figure = root.querySelector(`[data-page="${page}"][data-part="${part}"]`);
    if (!figure) continue;
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("class", "found");
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("aria-hidden", "true");
    for (const [left, top, across, down] of boxes) {
      const box = document.createElementNS(SVG, "rect");
      for (const [name, value] of Object.entries({ x: left, y: top, width: across, height: down })) {
        box.setAttribute(name, value);
      }
      drawing.append(box);
      marks.push(box);
    }
    figure.append(drawing);
  }
  return marks;
}

function before(one, other) {
  const node = (mark) => (mark instanceof Range ? mark.startContainer : mark);
  return node(one).compareDocumentPosition(node(other)) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1;
}

async function find(whole, moving = true) {
  const [root, search] = [region(), form()];
  if (!root || !search) return;
  const number = (asked += 1);
  const pattern = wanted(search.elements.text.value, whole);
  clear(root);
  if (!pattern) return tell("");
  const ranges = rangesOf(root, pattern);
  const marks = await drawn(root, search);
  if (number !== asked || region() !== root) return;
  if (ranges.length) CSS.highlights?.set("found", new Highlight(...ranges));
  found = marks.length ? [...ranges, ...marks].sort(before) : ranges;
  if (!found.length) return tell("Not in this document");
  if (moving) go(1);
  else tell(`${found.length} found`);
}

function go(step) {
  if (!found.length) return;
  for (const mark of found) if (!(mark instanceof Range)) mark.classList.remove("now");
  at = (at + step + found.length) % found.length;
  const mark = found[at];
  if (mark instanceof Range) {
    CSS.highlights?.set("found-now", new Highlight(mark));
    scrollTo(mark.getBoundingClientRect(), mark.startContainer.parentElement);
  } else {
    CSS.highlights?.delete("found-now");
    mark.classList.add("now");
    scrollTo(mark.getBoundingClientRect(), mark);
  }
  tell(`${at + 1} of ${found.length}`);
}

function scrollTo(box, element) {
  const root = region();
  if (root.scrollHeight <= root.clientHeight + 1) return element.scrollIntoView({ block: "center" });
  const frame = root.getBoundingClientRect();
  if (box.top < frame.top + 20 || box.bottom > frame.bottom - 20) {
    root.scrollBy({ top: box.top - frame.top - root.clientHeight / 3, behavior: moves() });
  }
}

// ---- size, pages, documents

function sized(next) {
  size = next;
  const root = region();
  if (!root) return;
  root.dataset.size = String(size);
  say(`${size} %`);
}

function step(by) {
  const place = SIZES.indexOf(size) + by;
  if (SIZES[place]) sized(SIZES[place]);
}

function turn(by) {
  const root = region();
  const pages = [...root.querySelectorAll("[data-page]")];
  if (!pages.length) return;
  const scrolls = root.scrollHeight > root.clientHeight + 1;
  const top = scrolls ? root.getBoundingClientRect().top : document.querySelector(".top").getBoundingClientRect().bottom;
  const tops = pages.map((page) => page.getBoundingClientRect().top - top);
  const next = by > 0 ? tops.findIndex((each) => each > 12) : tops.findLastIndex((each) => each < -12);
  const place = next < 0 ? (by > 0 ? pages.length - 1 : 0) : next;
  if (scrolls) root.scrollBy({ top: tops[place] - 4, behavior: "auto" });
  else pages[place].scrollIntoView({ block: "start" });
  say(`Page ${place + 1} of ${pages.length}`);
}

function other(by) {
  const choices = [...document.querySelectorAll(".reader-list [data-choice]")];
  const here = choices.findIndex((choice) => choice.hasAttribute("aria-current"));
  choices[here + by]?.click();
}

const ACTS = {
  next: () => go(1),
  before: () => go(-1),
  larger: () => step(1),
  smaller: () => step(-1),
  fit: () => sized(100),
  "page-next": () => turn(1),
  "page-before": () => turn(-1),
  newer: () => other(-1),
  older: () => other(1),
};

document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-reader-act]")?.dataset.readerAct;
  if (act) ACTS[act]?.();
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-reader-find]")) return;
  event.preventDefault();
  if (found.length) go(1);
  else find(false);
});

let typed = 0;
document.addEventListener("input", (event) => {
  if (!event.target.closest?.("[data-reader-find]")) return;
  window.clearTimeout(typed);
  typed = window.setTimeout(() => find(false), 200);
});

document.addEventListener("keydown", (event) => {
  const root = region();
  if (!root || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter" && event.shiftKey && event.target.closest?.("[data-reader-find]")) {
    event.preventDefault();
    go(-1);
    return;
  }
  // From the list and from the words, too, these keys turn the document's pages.
  if (!["PageDown", "PageUp"].includes(event.key) || root.contains(event.target)) return;
  if (document.querySelector("dialog[open]") || event.target.matches?.("textarea, select")) return;
  if (root.scrollHeight <= root.clientHeight + 1) return;
  event.preventDefault();
  root.scrollBy({ top: (event.key === "PageDown" ? 0.9 : -0.9) * root.clientHeight, behavior: "auto" });
});

// A document that was opened, with the page or into it: in the size of the one before, and with the words marked that
// led here.
function opened() {
  const root = region();
  if (!root) return;
  if (size !== 100) root.dataset.size = String(size);
  if (form()?.elements.text.value) arrived(root);
}

// Words that led to something else are not asked of this document, too; what is typed meanwhile stays.
async function arrived(root) {
  const field = form().elements.text;
  const words = field.value;
  await find(true, false);
  if (found.length || region() !== root || field.value !== words) return;
  field.value = "";
  tell("");
}

document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.target?.id === "document") opened();
});
// What is folded away is found once it is open.
document.addEventListener("toggle", (event) => region()?.contains(event.target) && form()?.elements.text.value && find(true, false), true);
opened();

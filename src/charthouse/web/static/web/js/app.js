// What every signed-in page loads. Each part does one job and finds its elements itself.
import "./desk.js";
import "./dialogs.js";
import "./keys.js";
import "./search.js";
import "./session.js";

// What was chosen in a list of things to read is marked there.
document.addEventListener("htmx:after:swap", (event) => {
  const chosen = event.detail.ctx?.sourceElement;
  if (!(chosen instanceof Element) || !chosen.matches("[data-choice]")) return;
  for (const other of chosen.closest("[data-list]").querySelectorAll("[data-choice]")) {
    other.toggleAttribute("aria-current", false);
  }
  chosen.setAttribute("aria-current", "true");
});

// The answer to some forms is a file, which leaves the page as it was: that it comes is said there.
document.addEventListener("submit", (event) => {
  const told = event.target.querySelector("[data-on-send]");
  if (told) told.textContent = told.dataset.onSend;
});

// An answer that is no part of this page (a refusal, a failure, another page) must never be put into it: a link is
// followed as a link, so that what went wrong has a page of its own. HX-Redirect is htmx's own to follow.
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  const { raw } = ctx.response;
  if ((raw.ok && !raw.redirected) || raw.headers.has("HX-Redirect")) return;
  event.preventDefault();
  const link = ctx.sourceElement?.closest?.("a[href]");
  if (link) window.location.assign(link.href);
});

// A preview that comes late must not take the keyboard's place away: what stands first in the new one has the focus
// that the old one had.
let place = null;

document.addEventListener("htmx:before:swap", () => {
  place = document.activeElement?.closest("#preview");
});

document.addEventListener("htmx:after:swap", () => {
  if (!place?.isConnected || place.contains(document.activeElement)) return;
  place.querySelector("a[href], button:not([disabled])")?.focus();
});

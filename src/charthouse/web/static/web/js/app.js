// What every signed-in page loads. Each part does one job and finds its elements itself.
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

// A request that was answered by another page (the session ended, a sign-in is asked for) must never be put
// into a part of this one: the whole page goes there instead.
document.addEventListener("htmx:before:response", (event) => {
  const { raw } = event.detail.ctx.response;
  if (raw.redirected || raw.status === 401 || raw.status === 403) {
    event.preventDefault();
    window.location.reload();
  }
});

// The session's clock. The server alone decides when a session locks; this tells it when somebody is there, and takes
// the page off the screen in time, with the form being filled in kept by the server and filled in again afterwards.
// All windows of one browser share the session, so that what is done in one keeps the others open.

const clock = document.querySelector("[data-locks-in]");
const KEPT = "#kept";
const TELL_EVERY = 60_000;

const token = () =>
  document.querySelector("meta[name=csrf-token]")?.content ??
  document.querySelector("input[name=csrfmiddlewaretoken]")?.value ??
  "";

if (clock && Number(clock.dataset.locksIn) > 0) {
  let locksAt = Date.now() + Number(clock.dataset.locksIn) * 1000;
  const allowance = Number(clock.dataset.locksIn) * 1000;
  const windows = new BroadcastChannel("charthouse-session");
  let told = Date.now();
  let asking = false;

  const alive = () => {
    locksAt = Date.now() + allowance;
    windows.postMessage("alive");
  };

  const active = () => {
    if (Date.now() - told < TELL_EVERY) return;
    told = Date.now();
    fetch("/session/seen/", { method: "POST", headers: { "X-CSRFToken": token() } })
      .then((response) => (response.status === 204 ? alive() : ask()))
      .catch(() => {});
  };

  // The time is over here; perhaps somebody is at work in another window or on a page that asks by other ways.
  const ask = async () => {
    if (asking) return;
    asking = true;
    try {
      const { state, locks_in: seconds } = await (await fetch("/session/")).json();
      if (state === "open" && seconds > 0) locksAt = Date.now() + seconds * 1000;
      else if (state === "open") lock("idle");
      else window.location.reload();
    } catch {
      document.body.hidden = true;
    } finally {
      asking = false;
    }
  };

  const show = () => {
    const left = locksAt - Date.now();
    if (left <= 5000) ask();
    else document.body.hidden = false;
    const minutes = Math.max(0, Math.ceil(left / 60_000));
    clock.textContent = minutes > 1 ? `Locks in ${minutes} min` : "Locks in less than 1 min";
  };

  for (const sign of ["keydown", "pointerdown", "wheel"]) {
    document.addEventListener(sign, active, { passive: true, capture: true });
  }
  document.addEventListener("htmx:after:request", alive);
  document.addEventListener("visibilitychange", show);
  windows.addEventListener("message", () => {
    locksAt = Date.now() + allowance;
  });
  windows.postMessage("alive");
  window.setInterval(show, 5000);
  show();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-locks]")) lock("asked");
});

// What was typed and not sent, with the place of its form on the page; never a password.
function* unfinished() {
  for (const [place, form] of [...document.forms].entries()) {
    if (form.method !== "post") continue;
    for (const field of form.elements) {
      if (!field.name || field.disabled || field.autocomplete === "one-time-code") continue;
      if (["hidden", "password", "file", "submit", "button"].includes(field.type)) continue;
      const ticked = ["checkbox", "radio"].includes(field.type);
      const changed = ticked ? field.checked !== field.defaultChecked : field.value !== (field.defaultValue ?? "");
      if (changed) yield [`${place}:${field.name}`, ticked ? `${field.value}=${field.checked}` : field.value];
    }
  }
}

function lock(because) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = "/session/lock/";
  form.hidden = true;
  const put = (name, value) => {
    const input = document.createElement("input");
    input.type = "hidden";
    input.name = name;
    input.value = value;
    form.append(input);
  };
  put("csrfmiddlewaretoken", token());
  put("because", because);
  put("page", window.location.pathname + window.location.search);
  for (const [name, value] of unfinished()) {
    put("field-name", name);
    put("field-value", value);
  }
  document.body.append(form);
  form.submit();
}

if (window.location.hash === KEPT) {
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  fetch("/session/kept/", { headers: { Accept: "application/json" } })
    .then((response) => response.json())
    .then(({ fields }) => {
      for (const [path, value] of fields) {
        const [place, name] = [path.slice(0, path.indexOf(":")), path.slice(path.indexOf(":") + 1)];
        for (const field of document.forms[Number(place)]?.elements ?? []) {
          if (field.name !== name) continue;
          if (["checkbox", "radio"].includes(field.type)) {
            if (value.startsWith(`${field.value}=`)) field.checked = value.endsWith("=true");
          } else field.value = value;
          field.dispatchEvent(new Event("input", { bubbles: true }));
        }
      }
    })
    .catch(() => {});
}

// "Locks in N min": counts down, and asks the server when the time is over. The server alone decides; this only
// takes the page off the screen. All windows of one browser share the last sign of life, so that a window left
// alone neither locks the others nor keeps them open.

const clock = document.querySelector("[data-locks-in]");

if (clock) {
  const allowance = Number(clock.dataset.locksIn) * 1000;
  const windows = "BroadcastChannel" in window ? new BroadcastChannel("charthouse-activity") : null;
  let last = Date.now();

  const show = () => {
    const left = allowance - (Date.now() - last);
    if (left <= -2000) {
      document.body.hidden = true;
      window.location.reload();
      return;
    }
    const minutes = Math.max(0, Math.ceil(left / 60000));
    clock.textContent = minutes > 1 ? `Locks in ${minutes} min` : "Locks in less than 1 min";
  };

  document.addEventListener("htmx:after:request", () => {
    last = Date.now();
    windows?.postMessage("alive");
    show();
  });
  windows?.addEventListener("message", () => {
    last = Date.now();
    show();
  });
  windows?.postMessage("alive");
  window.setInterval(show, 5000);
  document.addEventListener("visibilitychange", show);
  show();
}

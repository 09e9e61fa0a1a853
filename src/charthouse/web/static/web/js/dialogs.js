// Dialogs: data-opens="id" opens one, data-closes closes the one it stands in; a part loaded into one opens it.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.opens)?.showModal();
    return;
  }
  event.target.closest("[data-closes]")?.closest("dialog")?.close();
});

// What is sent from a dialog into a window of its own closes the dialog; what is not valid is not sent.
document.addEventListener("submit", (event) => {
  if (event.target.target === "_blank") event.target.closest("dialog")?.close();
});

document.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail.ctx?.target;
  const dialog = target instanceof Element ? target.closest("dialog[data-loads]") : null;
  if (!dialog) return;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  dialog.querySelector(".marked")?.scrollIntoView({ block: "center" });
});

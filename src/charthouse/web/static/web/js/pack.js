// A button with data-line puts the cursor on that line of the text it speaks of.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-line]");
  const text = button && document.getElementById(button.dataset.of);
  if (!text) return;
  const before = text.value.split("\n").slice(0, Number(button.dataset.line) - 1);
  const begin = before.reduce((sum, line) => sum + line.length + 1, 0);
  const end = text.value.indexOf("\n", begin);
  text.focus();
  text.setSelectionRange(begin, end < 0 ? text.value.length : end);
  text.scrollTop = Math.max(0, (before.length - 3) * Number.parseFloat(getComputedStyle(text).lineHeight));
});

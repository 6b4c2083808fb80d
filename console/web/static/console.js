// What every page does: listen to what happens, show forms in a dialog, be steered by keys.
"use strict";

// The feed: one connection while the page is looked at. Each event is a `feed-KIND` event of the body.
const feed = (() => {
  const kinds = document.body.dataset.listen;
  const state = document.getElementById("link-state");
  let source = null;
  function told(kind, value) {
    document.body.dispatchEvent(new CustomEvent(`feed-${kind}`, { detail: value }));
  }
  function close() {
    if (source) source.close();
    source = null;
    state.classList.remove("up", "down");
  }
  function open() {
    if (!kinds || source) return;
    source = new EventSource(`/api/events?kinds=${kinds}`);
    source.onopen = () => { state.classList.add("up"); state.classList.remove("down"); };
    source.onerror = () => { state.classList.add("down"); state.classList.remove("up"); };
    for (const kind of kinds.split(",")) {
      source.addEventListener(kind, (event) => told(kind, JSON.parse(event.data)));
    }
    source.addEventListener("ended", () => { close(); location.reload(); });
  }
  // Browsers allow few connections to one host: pages that nobody looks at hold none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); } else { open(); told("queues", null); }
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  if (!document.hidden) open();
  return { open, close };
})();

// Forms of actions come into the dialog.
const dialog = document.getElementById("dialog");
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "dialog-body") return;
  if (!dialog.open) dialog.showModal();
  const first = dialog.querySelector("[autofocus], .refused, input:not([type=hidden]), select, textarea, button");
  if (first) first.focus();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]") || event.target === dialog) dialog.close();
});
dialog.addEventListener("close", () => { document.getElementById("dialog-body").replaceChildren(); });

// One box ticks all rows.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-all]")) return;
  for (const box of event.target.closest("table").querySelectorAll("tbody .tick input")) box.checked = event.target.checked;
});

// Keys: `g` and a letter goes to a place, `/` to the filters.
let behind = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  if (event.target.closest("input, select, textarea, [contenteditable], .CodeMirror")) return;
  if (event.key === "/") {
    const first = document.querySelector("form.filters input, form.filters select");
    if (first) { first.focus(); event.preventDefault(); }
  }
  if (behind === "g") {
    const link = document.querySelector(`header.top [data-letter="${CSS.escape(event.key)}"]`);
    if (link) link.click();
  }
  behind = event.key === "g" ? "g" : "";
});

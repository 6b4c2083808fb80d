"use strict";
const links = Array.from(document.querySelectorAll("li > a"));
const dialog = document.querySelector("dialog");
const picture = dialog.querySelector("img");
const caption = dialog.querySelector("p");
let shown = -1;

function show(number) {
  if (number < 0 || number >= links.length) return;
  shown = number;
  picture.src = links[shown].href;
  picture.alt = caption.textContent = links[shown].title + "  (" + (shown + 1) + " of " + links.length + ")";
  if (!dialog.open) dialog.showModal();
}

function reveal(number) {
  if (number < 0 || number >= links.length) return;
  for (let up = links[number].closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
  links[number].focus();
}

function step(event, from) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
  if (event.key === "Home") return 0;
  if (event.key === "End") return links.length - 1;
  return event.key in steps ? Math.max(0, Math.min(links.length - 1, from + steps[event.key])) : -1;
}

links.forEach((link, number) => link.addEventListener("click", (event) => { event.preventDefault(); show(number); }));
dialog.addEventListener("close", () => reveal(shown));
dialog.addEventListener("click", () => dialog.close());
dialog.addEventListener("wheel", (event) => show(shown + Math.sign(event.deltaY)), { passive: true });
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || !links.length) return;
  const from = dialog.open ? shown : links.indexOf(document.activeElement);
  if (!dialog.open && from < 0) return;
  const to = step(event, from);
  if (to < 0) return;
  event.preventDefault();
  if (dialog.open) show(to); else reveal(to);
});

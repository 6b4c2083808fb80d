// The viewer: one frame at a time, rendered by the server through the window that is wanted.
"use strict";
const viewer = document.getElementById("viewer");
const picture = document.getElementById("picture");
const frames = document.getElementById("frame");
const preset = document.getElementById("preset");
const images = JSON.parse(viewer.dataset.images);
const AHEAD = 3;
const FRAME_MILLISECONDS = 100;
let at = Math.max(0, images.findIndex((it) => it.uid === viewer.dataset.uid));
let frame = 1;
let shownWindow = null; // centre, width and function of what is shown, as the server tells
let wantedWindow = ""; // what is asked for; empty for the file's own
let playing = null;
let fetching = false; // one picture is fetched at a time; what is wanted meanwhile comes next
let again = false;

function address(image, number, seen) {
  const query = seen ? `?window=${encodeURIComponent(seen)}` : "";
  return `${viewer.dataset.place}/${image.uid}/frames/${number}/rendered${query}`;
}
async function show() {
  const image = images[at];
  if (!image) return;
  frames.max = image.frames;
  frames.value = frame;
  frames.disabled = image.frames < 2;
  document.getElementById("play").disabled = image.frames < 2;
  document.getElementById("frame-told").textContent = `${frame} of ${image.frames}` + (images.length > 1 ? `, image ${at + 1} of ${images.length}` : "");
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    const answer = await fetch(address(image, frame, wantedWindow));
    await draw(answer);
    if (answer.ok && !again) ahead(image);
  } finally {
    fetching = false;
  }
  if (again) { again = false; show(); }
}
async function draw(answer) {
  const told = document.getElementById("window-told");
  if (!answer.ok) {
    picture.alt = "There is no picture of it";
    picture.removeAttribute("src");
    told.textContent = (await answer.text()).slice(0, 200);
    return;
  }
  shownWindow = answer.headers.get("X-Window");
  told.textContent = shownWindow ? shownWindow.split(",").slice(0, 2).map((it) => Math.round(Number(it))).join(" / ") : "";
  const before = picture.src;
  picture.src = URL.createObjectURL(await answer.blob());
  if (before) URL.revokeObjectURL(before);
}
function ahead(image) {
  const last = Math.min(image.frames, frame + AHEAD);
  for (let number = frame + 1; number <= last; number++) fetch(address(image, number, wantedWindow), { priority: "low" });
}
function step(by) {
  const image = images[at];
  if (!image || image.frames < 2) { turn(by); return; }
  frame = ((frame - 1 + by + image.frames) % image.frames) + 1;
  show();
}
function turn(by) {
  if (!images[at + by]) return;
  at += by;
  frame = 1;
  show();
}
function play() {
  const button = document.getElementById("play");
  clearInterval(playing);
  playing = playing ? null : setInterval(() => { if (!fetching) step(1); }, FRAME_MILLISECONDS);
  button.textContent = playing ? "Stop" : "Play";
}
function reset() {
  wantedWindow = preset.value = "";
  picture.classList.remove("inverted");
  show();
}
function moved(seen, centre, width) {
  const [c, w, ...rest] = seen.split(",");
  return [(Number(c) + centre).toFixed(1), Math.max(1, Number(w) + width).toFixed(1), ...rest].join(",");
}
function widen(centre, width) {
  if (!shownWindow) return;
  wantedWindow = moved(wantedWindow || shownWindow, centre, width);
  show();
}
function full() {
  if (document.fullscreenElement) document.exitFullscreen(); else viewer.requestFullscreen();
}
function invert() { picture.classList.toggle("inverted"); }
const KEYS = {
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  ArrowLeft: () => turn(-1),
  ArrowRight: () => turn(1),
  "+": () => widen(0, -20),
  "-": () => widen(0, 20),
  "[": () => widen(-10, 0),
  "]": () => widen(10, 0),
  " ": () => { if (images[at] && images[at].frames > 1) play(); },
  i: invert,
  r: reset,
  f: full,
};
viewer.addEventListener("keydown", (event) => {
  if (event.target !== viewer || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  KEYS[event.key]();
  event.preventDefault();
});
picture.addEventListener("wheel", (event) => { step(event.deltaY > 0 ? 1 : -1); event.preventDefault(); }, { passive: false });
let drag = null;
picture.addEventListener("pointerdown", (event) => {
  drag = { x: event.clientX, y: event.clientY, seen: wantedWindow || shownWindow };
  picture.setPointerCapture(event.pointerId);
  viewer.focus();
  event.preventDefault();
});
picture.addEventListener("pointermove", (event) => {
  if (!drag || !drag.seen) return;
  const scale = Math.max(1, Number(drag.seen.split(",")[1]) / 300);
  wantedWindow = moved(drag.seen, (event.clientY - drag.y) * scale, (event.clientX - drag.x) * scale);
  show();
});
picture.addEventListener("pointerup", () => { drag = null; });
frames.addEventListener("input", () => { frame = Number(frames.value); show(); });
preset.addEventListener("change", () => { wantedWindow = preset.value; show(); });
for (const [id, act] of Object.entries({ before: () => turn(-1), after: () => turn(1), play, invert, reset, full })) {
  document.getElementById(id).addEventListener("click", act);
}
show();

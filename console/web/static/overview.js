// The overview: what passes is counted as it is told, and drawn.
"use strict";

// Counts beside the stops, and how many of the last seconds passed a second.
const SECONDS = 5;
const passed = [];
let counts = null;
function sum(counted, steps) {
  return steps.split(",").reduce((all, step) => all + (counted[step] ?? 0), 0);
}
function show() {
  if (!counts) return;
  for (const cell of document.querySelectorAll("[data-steps]")) {
    cell.textContent = sum(counts, cell.dataset.steps).toLocaleString("en").replaceAll(",", "\u202f");
  }
}
function rates() {
  const now = performance.now();
  while (passed.length && now - passed[0].at > SECONDS * 1000) passed.shift();
  for (const cell of document.querySelectorAll("[data-rate]")) {
    const steps = cell.dataset.rate;
    const first = passed.length ? sum(passed[0].counts, steps) : 0;
    const last = passed.length ? sum(passed[passed.length - 1].counts, steps) : 0;
    const rate = passed.length > 1 ? (last - first) / Math.max(1, (now - passed[0].at) / 1000) : 0;
    cell.textContent = rate < 10 ? rate.toFixed(1).replace(".0", "") : Math.round(rate);
  }
}
document.body.addEventListener("feed-flow", ({ detail }) => {
  counts = detail.counts;
  passed.push({ at: performance.now(), counts });
  show();
});
document.body.addEventListener("htmx:afterSwap", () => { show(); rates(); });
setInterval(rates, 1000);

// The charts: what the server kept of the last half hour, and each sample as it comes.
const CHARTS = {
  images: [["images", "images/s"]],
  rpcs: [["rpcs", "RPCs/s"]],
  latency: [["latency", "ms"]],
  queues: [["eval", "EVAL"], ["export", "EXPORT"], ["send", "SEND"]],
};
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const COLOURS = ["#2f81c7", "#c77a2f", "#5a9e4b"];
const MOST = 900;
const samples = [];
const drawn = {};
function columns(lines) {
  return [samples.map((it) => it.at), ...lines.map(([name]) => samples.map((it) => it[name]))];
}
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
}
function draw() {
  for (const [id, lines] of Object.entries(CHARTS)) {
    const place = document.getElementById(`chart-${id}`);
    const axis = { stroke: colour("--pico-muted-color"), grid: { stroke: colour("--pico-muted-border-color"), width: 1 }, ticks: { show: false } };
    drawn[id] = new uPlot({
      width: place.clientWidth,
      height: 150,
      legend: { show: lines.length > 1, live: false },
      cursor: { show: false },
      tzDate: (at) => new Date(at * 1000),
      scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [{ ...axis, size: 24, values: (_plot, ticks) => ticks.map((at) => clock.format(new Date(at * 1000))) }, { ...axis, size: 48 }],
      series: [{}, ...lines.map(([, label], number) => ({ label, stroke: COLOURS[number], width: 1.5, points: { show: false } }))],
    }, columns(lines), place);
  }
  update();
}
function update() {
  for (const [id, lines] of Object.entries(CHARTS)) {
    if (drawn[id]) drawn[id].setData(columns(lines));
    const last = samples.length ? samples[samples.length - 1] : null;
    const sum = last ? lines.reduce((all, [name]) => all + (last[name] ?? 0), 0) : 0;
    document.getElementById(`now-${id}`).textContent = last ? String(Math.round(sum * 10) / 10) : "";
  }
}
function sampled(sample) {
  samples.push(sample);
  while (samples.length > MOST) samples.shift();
}
document.body.addEventListener("feed-load", ({ detail }) => { sampled(detail); update(); });
new ResizeObserver(() => {
  for (const id of Object.keys(drawn)) drawn[id].setSize({ width: document.getElementById(`chart-${id}`).clientWidth, height: 150 });
}).observe(document.querySelector(".charts"));
fetch("/overview/history").then((answer) => answer.json()).then((kept) => { samples.unshift(...kept); draw(); });

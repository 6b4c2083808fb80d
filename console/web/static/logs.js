// The log: lines as they come, those of a level and with a text, the newest thousand.
"use strict";
const MOST = 1000;
const LEVELS = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 3 };
const lines = document.getElementById("log");
const level = document.getElementById("level");
const has = document.getElementById("has");
const follow = document.getElementById("follow");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false, timeZone: lines.dataset.zone });

function fits(line) {
  return Number(line.dataset.level) >= Number(level.value) && line.textContent.toLowerCase().includes(has.value.toLowerCase());
}
document.body.addEventListener("feed-log", ({ detail }) => {
  const line = document.createElement("p");
  line.className = detail.level;
  line.dataset.level = LEVELS[detail.level] ?? 1;
  line.textContent = `${clock.format(new Date(detail.at))} ${detail.level.padEnd(7)} ${detail.logger}: ${detail.text}`;
  line.hidden = !fits(line);
  lines.append(line);
  while (lines.childElementCount > MOST) lines.firstElementChild.remove();
  if (follow.checked) lines.scrollTop = lines.scrollHeight;
});
function again() { for (const line of lines.children) line.hidden = !fits(line); }
level.addEventListener("change", again);
has.addEventListener("input", again);
document.getElementById("clear").addEventListener("click", () => lines.replaceChildren());
document.getElementById("log-filter").addEventListener("submit", (event) => event.preventDefault());

// The rule editor: the language's words stand out and are completed, and what lint finds is shown as one types.
"use strict";
const form = document.getElementById("rules-form");
const area = document.getElementById("rules-text");
const told = document.getElementById("rules-told");
const words = JSON.parse(form.dataset.words);
const LINT_AFTER = 400;

CodeMirror.defineSimpleMode("route", {
  start: [
    { regex: /#.*/, token: "comment" },
    { regex: /"[^"\n]*"?/, token: "string" },
    { regex: new RegExp(`(?:${words.language.join("|")})\\b`, "i"), token: "keyword" },
    { regex: new RegExp(`(?:${words.properties.join("|")})\\b`, "i"), token: "variable-2" },
    { regex: /\([0-9A-F]{4},[0-9A-F]{4}\)/i, token: "variable-2" },
    { regex: /\d[\d:.\-T%]*/, token: "number" },
    { regex: /!=|<=|>=|=|<|>/, token: "operator" },
    { regex: /[A-Za-z_][\w.]*/, token: null },
  ],
  meta: { lineComment: "#" },
});

async function lint(text) {
  const body = new URLSearchParams({ text });
  const answer = await fetch(form.dataset.lint, { method: "POST", body, headers: { "X-CSRF-Token": form.dataset.proof, "HX-Request": "true" } });
  if (!answer.ok || !(answer.headers.get("Content-Type") ?? "").includes("json")) return [];
  const { rules, findings } = await answer.json();
  const counted = rules === null ? "The text is not understood." : `${rules} rules.`;
  told.textContent = `${counted} ${findings.length ? `${findings.length} findings: ${findings.slice(0, 3).map((it) => `line ${it.line}: ${it.problem}`).join(" ")}` : "Lint finds nothing."}`;
  return findings.map((it) => {
    const line = Math.max(0, it.line - 1);
    const from = Math.max(0, it.column - 1);
    return {
      from: CodeMirror.Pos(line, from),
      to: CodeMirror.Pos(line, (editor.getLine(line) ?? "").length || from + 1),
      severity: it.severity === "error" ? "error" : "warning",
      message: `${it.code} ${it.problem} ${it.remedy}`,
    };
  });
}

function complete(cm) {
  const at = cm.getCursor();
  const before = cm.getLine(at.line).slice(0, at.ch);
  const inText = (before.match(/"/g) ?? []).length % 2 === 1;
  const begun = before.match(inText ? /"([^"]*)$/ : /[\w.]*$/)[inText ? 1 : 0];
  const all = inText ? words.destinations : [...words.language, ...words.properties, ...words.destinations.map((it) => `"${it}"`)];
  const list = all.filter((it) => it.toLowerCase().startsWith(begun.toLowerCase()));
  return { list, from: CodeMirror.Pos(at.line, at.ch - begun.length), to: at };
}

const editor = CodeMirror.fromTextArea(area, {
  mode: "route",
  lineNumbers: true,
  lineWrapping: true,
  matchBrackets: true,
  gutters: ["CodeMirror-lint-markers"],
  lint: { getAnnotations: (text, done) => { lint(text).then(done); }, async: true, delay: LINT_AFTER },
  hintOptions: { hint: complete, completeSingle: false },
  extraKeys: { "Ctrl-Space": "autocomplete", Tab: false, "Shift-Tab": false },
  inputStyle: "contenteditable",
  screenReaderLabel: "Rules",
});
editor.getInputField().setAttribute("role", "textbox");
editor.getInputField().setAttribute("aria-multiline", "true");
editor.on("inputRead", (cm, change) => { if (/[\w"]/.test(change.text[0])) cm.showHint(); });
editor.on("change", () => editor.save());
// What is sent is what stands in the editor.
document.body.addEventListener("htmx:configRequest", () => editor.save());

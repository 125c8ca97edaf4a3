// --- The keyboard. ----------------------------------------------------------------------------------------

const help = $("#help");

const KEYS = {
  j: ["next trajectory", () => (state.pane === "group" ? stepTask(1) : step(1))],
  k: ["previous trajectory", () => (state.pane === "group" ? stepTask(-1) : step(-1))],
  l: ["next sample of the same task", () => (state.pane === "group" ? stepColumn(1) : stepSample(1))],
  h: ["previous sample of the same task", () => (state.pane === "group" ? stepColumn(-1) : stepSample(-1))],
  n: ["next task", () => stepTask(1)],
  p: ["previous task", () => stepTask(-1)],
  g: ["compare the samples of the task, and back", () => (state.pane === "group" ? leaveGroup() : openGroup())],
  t: ["tokens: mask and log-probabilities", () => { const panel = $(".tokens", shown); if (panel && state.pane !== "group") panel.open = !panel.open; }],
  z: ["enlarge the first picture; ← → for the others", () => { const first = $(".picture", state.pane === "group" ? group : shown); if (first) zoomFrom(first); }],
  f: ["filters", () => { toList(); toggleFilters(true); $$("select", $("#more")).find((one) => one.offsetParent).focus(); }],
  x: ["clear all filters", clearFilters],
  "/": ["search", () => { toList(); form.elements.text.focus(); form.elements.text.select(); }],
  "?": ["this list", () => help.showModal()],
  Escape: ["close; back", () => (state.pane === "group" ? leaveGroup() : toList())],
};

function buildHelp() {
  help.append(h("h3", {}, "Keys"),
    h("dl", { class: "facts" }, Object.entries(KEYS).map(([key, [meaning]]) => [
      h("dt", {}, h("kbd", {}, key === "Escape" ? "Esc" : key)), h("dd", {}, meaning)])),
    h("p", { class: "muted" }, "In the comparison, j and k go from task to task, h and l from sample to sample, Enter opens the sample. "
      + "Click an enlarged picture for one screen pixel per image pixel."),
    h("form", { method: "dialog" }, h("button", {}, "Close")));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (zoom.open) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) { event.preventDefault(); enlarge(pictured + by); }
    return;
  }
  if (help.open) return;
  if (event.target.matches("input, select")) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.matches("input"))) { event.preventDefault(); event.target.blur(); }
    return;
  }
  const arrow = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (arrow && event.target.matches(".row")) { event.preventDefault(); step(arrow, { focus: true }); return; }
  if (event.key === "Enter" && state.pane === "group" && !event.target.matches("button, summary")) { openCompared(); return; }
  if (!Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key][1]();
});

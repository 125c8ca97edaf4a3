// --- The list: as long as the run, with elements only for the rows in sight. ------------------------------

const ROW = 78; // height of a row in CSS pixels (list.css)
const SPARE = 6; // rows kept ready above and below
const list = $(".rows"), scroller = $(".scroller");
const drawn = new Map(); // number -> its element

const chips = (tools, { short = false } = {}) => Object.entries(tools).sort().map(([tool, calls]) =>
  h("span", { class: `tool ${tool}`, title: words(tool) }, short ? tool.split("_")[0] : words(tool), calls > 1 && `\u2009×${calls}`));

function rowElement(number) {
  const row = rows[number];
  return h("li", {},
    h("button", { type: "button", class: "row", "data-number": number, tabindex: -1 },
      h("span", { class: `dot ${row.verdict}`, title: row.verdict }, h("span", { class: "unseen" }, row.verdict)),
      h("span", { class: "line" },
        h("span", { class: "family" }, row.family || row.task_id),
        samplesOf(number).length > 1 && h("span", { class: "sample" }, `sample ${row.sample}`),
        h("span", { class: "reward" }, unscored(row) ? "–" : row.total.toFixed(2))),
      h("span", { class: "ask" }, row.question),
      h("span", { class: "line small" },
        h("span", { class: "tools" }, row.outcome !== "answered" && h("span", { class: "tool plain" }, words(row.outcome)), chips(row.tools, { short: true })),
        h("span", { class: "length" }, `${count(row.turns, "turn")} · ${whole.format(row.sampled)} tok`))));
}

/** Draw the rows in sight, whether the list scrolls by itself or, on a phone, with the page. */
function paintList() {
  list.style.height = `${order.length * ROW}px`;
  const clip = scroller.getBoundingClientRect(), top = list.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor((Math.max(clip.top, 0) - top) / ROW) - SPARE);
  const last = Math.min(order.length, Math.ceil((Math.min(clip.bottom, innerHeight) - top) / ROW) + SPARE);
  const wanted = new Set(clip.height || clip.width ? order.slice(first, Math.max(first, last)) : []);
  for (const [number, element] of drawn) {
    if (!wanted.has(number)) { element.remove(); drawn.delete(number); }
  }
  let place = first, before = null;
  const stop = wanted.has(state.current) ? state.current : order[first]; // the list is one stop of the Tab key
  for (const number of wanted) {
    if (!drawn.has(number)) drawn.set(number, rowElement(number));
    const element = drawn.get(number), button = element.firstChild;
    element.style.top = `${place * ROW}px`;
    element.setAttribute("aria-posinset", ++place);
    element.setAttribute("aria-setsize", order.length);
    button.tabIndex = number === stop ? 0 : -1;
    if (number === state.current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    const next = before ? before.nextSibling : list.firstChild;
    if (next !== element) list.insertBefore(element, next);
    before = element;
  }
  $(".empty").hidden = order.length > 0;
  $(".empty").textContent = rows.length ? "No trajectory matches these filters." : RUN.source === "live"
    ? "No trajectory yet: they appear here as the run writes them." : "This run has no trajectories.";
}

let painting = false;
function paintListSoon() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => { painting = false; paintList(); });
}

/** Scroll until the current row is in sight. */
function revealRow() {
  const place = order.indexOf(state.current);
  if (place < 0) return;
  if (scroller.scrollHeight > scroller.clientHeight) {
    // With a neighbour in sight, so that it is seen that the list goes on.
    const top = (place - 1) * ROW, low = (place + 2) * ROW - scroller.clientHeight;
    if (scroller.scrollTop > top) scroller.scrollTop = top;
    else if (scroller.scrollTop < low) scroller.scrollTop = low;
  } else if (state.pane === "list" && narrow()) {
    scrollTo(0, scrollY + list.getBoundingClientRect().top + place * ROW - innerHeight / 2);
  }
  paintList();
}

const narrow = () => matchMedia("(max-width: 820px)").matches;

// --- The samples of one task side by side; turns in one line, so that differences stand out. --------------

const group = $("#group");
let sampled = []; // the samples that are compared
let compared = 0; // which of them the keys are at
let askingGroup = 0;

async function showGroup() {
  const ticket = ++askingGroup, samples = [...samplesOf(state.current)];
  tip.hidden = true;
  sampled = samples;
  compared = samples.indexOf(state.current);
  group.setAttribute("aria-busy", "true");
  const loaded = await Promise.all(samples.map((number) => source.detail(number))).then(
    (all) => all.map(({ detail }) => detail), (error) => error);
  if (ticket !== askingGroup) return;
  group.removeAttribute("aria-busy");
  if (loaded instanceof Error) {
    return group.replaceChildren(h("p", { class: "failure", role: "alert" }, `This group could not be loaded: ${loaded.message}`));
  }
  const longest = Math.max(...loaded.map((detail) => detail.turns.length));
  const columns = h("div", { class: "columns", tabindex: 0, role: "group", "aria-label": "Samples" },
    samples.map((number, place) => column(rows[number], loaded, place, longest)));
  columns.style.setProperty("--samples", samples.length);
  columns.style.setProperty("--lines", longest + 1);
  columns.addEventListener("scroll", markTab, { passive: true });
  group.replaceChildren(groupHead(samples, loaded[0]), tabs(samples), columns);
  markColumn();
}

function groupHead(samples, detail) {
  const some = samples.map((number) => rows[number]), scored = some.filter((row) => !unscored(row));
  const rewards = scored.map((row) => row.total), right = some.filter((row) => row.verdict === "right").length;
  const facts = [count(samples.length, "sample"), `${right} right`,
    rewards.length ? `reward ${mean(rewards).toFixed(2)} ± ${spread(rewards).toFixed(2)}` : "none scored"];
  return h("header", { class: "grouphead" },
    h("div", {}, h("h2", {}, some[0].task_id), h("p", { class: "muted" }, facts.join(" · ")),
      h("p", { class: "asked" }, detail.question),
      h("p", { class: "referred" }, h("span", { class: "muted" }, "reference "), detail.reference)),
    pictures(detail.pictures));
}

function tabs(samples) {
  return h("div", { class: "tabs", role: "group", "aria-label": "Go to a sample" }, samples.map((number, place) =>
    h("button", { type: "button", class: "tab", "data-place": place },
      h("span", { class: `dot ${rows[number].verdict}` }), rows[number].sample)));
}

function column(row, details, place, longest) {
  const { turns } = details[place];
  const cells = turns.map((turn, line) => cell(turn, line, details, place));
  while (cells.length < longest) cells.push(h("div", { class: "cell missing" }));
  return h("section", { class: "column", "data-number": row.number, "aria-label": `sample ${row.sample}` },
    h("header", { class: `columnhead ${row.verdict}` },
      h("button", { type: "button", class: "opens", title: "Open this trajectory (Enter)" },
        h("span", { class: `dot ${row.verdict}` }), h("b", {}, `sample ${row.sample}`),
        h("span", { class: "reward" }, reward(row))),
      h("p", { class: "said" }, answerText(row.answer)),
      unscored(row) ? h("p", { class: "muted" }, "not scored: infrastructure failed")
        : h("p", { class: "muted" }, `accuracy ${row.accuracy.toFixed(1)} · format ${row.format.toFixed(1)}`),
      h("p", { class: "muted" }, `${row.outcome === "answered" ? "" : `${words(row.outcome)} · `}${count(row.turns, "turn")} · ${count(row.sampled, "token")}`)),
    cells);
}

/** One turn of one sample; folded where an earlier sample did and saw the same. */
function cell(turn, line, details, place) {
  const same = details.findIndex((other) => other.turns[line] && likeness(other.turns[line]) === likeness(turn));
  const body = turnBody(turn);
  return h("div", { class: "cell" }, turnHead(turn, line + 1), same < place
    ? h("details", { class: "same" }, h("summary", {}, `same as sample ${rows[samplesOf(state.current)[same]].sample}`), body) : body);
}

const likeness = (turn) => JSON.stringify([turn.pieces, turn.observation.map((part) => [part.text, part.pictures.map((one) => one.sha256)])]);

function markColumn({ scroll = false } = {}) {
  $$(".column", group).forEach((one, place) => one.classList.toggle("at", place === compared));
  $$(".tab", group).forEach((one, place) => (place === compared
    ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current")));
  const columns = $(".columns", group), at = $$(".column", group)[compared];
  if (at && columns.scrollWidth > columns.clientWidth) {
    const left = at.offsetLeft - columns.offsetLeft, right = left + at.offsetWidth - columns.clientWidth;
    const to = narrow() ? left : Math.min(Math.max(columns.scrollLeft, right), left);
    if (scroll || narrow() || to !== columns.scrollLeft) columns.scrollTo({ left: to });
  }
}

/** On a phone a swipe chooses the column. */
function markTab() {
  if (!narrow()) return;
  const columns = $(".columns", group), place = Math.round(columns.scrollLeft / columns.clientWidth);
  if (place === compared) return;
  compared = place;
  $$(".tab", group).forEach((one, at) => (at === place ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current")));
}

function stepColumn(by) {
  compared = Math.max(0, Math.min($$(".column", group).length - 1, compared + by));
  markColumn({ scroll: true });
}

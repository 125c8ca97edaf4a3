// --- Moving about, and the start. -------------------------------------------------------------------------

const explorer = $("#explorer");

function showPane(pane) {
  const entry = state.pane !== pane;
  state.pane = explorer.dataset.view = pane;
  document.body.classList.toggle("comparing", pane === "group");
  writeAddress({ entry });
}

/** Everything that depends on which trajectory is current. */
function showPlace() {
  const place = order.indexOf(state.current), several = state.current >= 0 && samplesOf(state.current).length > 1;
  const text = state.current < 0 ? "" : `${place < 0 ? "–" : whole.format(place + 1)} / ${whole.format(order.length)}`;
  for (const one of $$(".place")) one.textContent = text;
  $(".compare").hidden = !several;
}

/** Go to a trajectory. `pane`: where it is shown; null leaves the panes as they are. */
function open(number, { pane = "detail", focus = false } = {}) {
  state.current = number;
  if (pane) showPane(pane);
  if (state.pane === "group") showGroup();
  else showDetail();
  showPlace();
  revealRow();
  if (focus) drawn.get(number)?.firstChild.focus();
  else toTop();
}

/** Begin to read at the top, and have the keys that scroll scroll what is read. */
function toTop() {
  const pane = state.pane === "group" ? group : shown;
  pane.closest("section").scrollTop = 0;
  pane.focus({ preventScroll: true });
  const top = explorer.getBoundingClientRect().top;
  if (narrow() || top > innerHeight / 2) explorer.scrollIntoView();
}

/** The trajectory `by` places on among those that the filters leave. */
function neighbour(by) {
  const place = order.indexOf(state.current);
  if (place >= 0) return order[Math.max(0, Math.min(order.length - 1, place + by))];
  if (state.current < 0) return order[0];
  const after = order.findIndex((number) => compare(number, state.current, state.sort) > 0);
  const first = after < 0 ? order.length : after;
  return order[Math.max(0, Math.min(order.length - 1, by > 0 ? first : first - 1))];
}

function step(by, { focus = false } = {}) {
  if (order.length) open(neighbour(by), { focus });
}

function stepSample(by) {
  if (state.current < 0) return;
  const samples = samplesOf(state.current), next = samples[samples.indexOf(state.current) + by];
  if (next !== undefined) open(next);
}

/** The next trajectory, among those that the filters leave, that is of another task. */
function stepTask(by) {
  if (!order.length || state.current < 0) return;
  const here = groupOf(rows[state.current]);
  let place = order.indexOf(state.current);
  while (order[place] !== undefined && groupOf(rows[order[place]]) === here) place += by;
  if (order[place] !== undefined) open(order[place], { pane: state.pane === "group" ? "group" : "detail" });
}

function openGroup() {
  if (state.current >= 0 && samplesOf(state.current).length > 1) open(state.current, { pane: "group" });
}

const openCompared = () => open(sampled[compared]);
const leaveGroup = () => open(state.current);

function toList() {
  if (state.pane === "list") return;
  showPane("list");
  revealRow();
}

function refilter() {
  const { left, counts } = sifted(state);
  order = left;
  $(".figures").replaceChildren(...figures(order.map((number) => rows[number])).map(([name, value]) =>
    h("div", { class: "figure" }, h("dt", {}, name), h("dd", {}, value))));
  fillFilters(counts);
  showPlace();
  paintList();
}

function filtersChanged() {
  scroller.scrollTop = 0;
  refilter();
  writeAddress();
}

/** Show what the address says. */
function followAddress() {
  readAddress();
  if (!(state.current in rows)) state.current = -1;
  if (state.current < 0 && RUN.source !== "live") state.pane = "list";
  explorer.dataset.view = state.pane;
  document.body.classList.toggle("comparing", state.pane === "group");
  refilter();
  if (state.current < 0 && rows.length) state.current = order[0] ?? -1;
  showPlace();
  if (state.pane === "group" && state.current >= 0) showGroup();
  else showDetail();
  revealRow();
}

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest(selector);
  if (hit(".row")) open(Number(hit(".row").dataset.number));
  else if (hit(".goto")) open(Number(hit(".goto").dataset.number));
  else if (hit(".next")) step(1);
  else if (hit(".previous")) step(-1);
  else if (hit(".next-task")) stepTask(1);
  else if (hit(".previous-task")) stepTask(-1);
  else if (hit(".compare")) openGroup();
  else if (hit(".leave")) leaveGroup();
  else if (hit(".opens")) open(Number(hit(".column").dataset.number));
  else if (hit(".tab")) { compared = Number(hit(".tab").dataset.place); markColumn({ scroll: true }); }
  else if (hit(".back")) toList();
  else if (hit(".toggle")) toggleFilters();
  else if (hit(".clear")) clearFilters();
  else if (hit(".keys")) help.showModal();
  else if (hit(".picture")) zoomFrom(hit(".picture"));
  else if (hit("#zoom img")) toggleActual(hit("#zoom img"));
  else if (hit("#zoom [data-by]")) enlarge(pictured + Number(hit("#zoom [data-by]").dataset.by));
  else if (hit("#zoom .close")) zoom.close();
  else if (event.target === zoom || event.target === help) event.target.close();
  explain(event);
});
document.addEventListener("mouseover", explain);
document.addEventListener("scroll", () => { tip.hidden = true; paintListSoon(); }, true);
addEventListener("resize", paintListSoon);
addEventListener("popstate", followAddress);

buildFilters();
buildHelp();
toggleFilters(!narrow());
addRows(RUN.rows);
followAddress();
source.follow(
  (more) => {
    addRows(more);
    // A run is read in parts: what the address asks for may come late.
    const wanted = addressed();
    if (state.current < 0 || (wanted in rows && wanted !== state.current)) followAddress();
    else refilter();
  },
  (how, why) => {
    const live = $("#live");
    live.hidden = false;
    live.className = how;
    live.textContent = { live: "live", reading: "reading the run …", lost: `not connected: ${why}` }[how];
  },
);

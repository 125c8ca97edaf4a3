// --- What is shown, and the same in the address, so that a view can be kept and sent. ---------------------

const NO_FILTERS = { text: "", min: "", max: "", ...Object.fromEntries(FACET_NAMES.map((name) => [name, ""])) };
const PANES = ["list", "detail", "group"];

const state = { ...NO_FILTERS, sort: "time", current: -1, pane: "list" };
let order = []; // numbers that the filters leave

const filtersActive = () => Object.keys(NO_FILTERS).filter((name) => state[name] !== "");

/** The number of the trajectory that the address asks for, or -1. */
function addressed() {
  const number = new URLSearchParams(location.hash.slice(1)).get("t") ?? "";
  return /^\d+$/.test(number) ? Number(number) : -1;
}

function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(NO_FILTERS)) state[name] = wanted.get(name) ?? "";
  state.sort = Object.hasOwn(SORTS, wanted.get("sort") ?? "") ? wanted.get("sort") : "time";
  state.current = addressed();
  state.pane = PANES.includes(wanted.get("pane")) ? wanted.get("pane") : "list";
}

/** Put the state into the address; as a new entry of the history where another pane opened. */
function writeAddress({ entry = false } = {}) {
  const parts = new URLSearchParams();
  if (state.current >= 0) parts.set("t", state.current);
  if (state.pane !== "list") parts.set("pane", state.pane);
  for (const name of filtersActive()) parts.set(name, state[name]);
  if (state.sort !== "time") parts.set("sort", state.sort);
  const address = parts.size ? `#${parts}` : location.pathname + location.search;
  if (entry) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

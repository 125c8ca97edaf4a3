// --- All rows, their groups, and which of them the filters leave, in which order. -------------------------

const rows = []; // by number
const groups = new Map(); // name of a group -> numbers of its samples, by sample

const groupOf = (row) => `${row.seed} ${row.step} ${row.prompt} ${row.task_id}`;
const samplesOf = (number) => groups.get(groupOf(rows[number]));

function addRows(more) {
  for (const row of more) {
    row.needle = [row.task_id, row.family, row.question, row.reference, row.answer ?? ""].join("\n").toLowerCase();
    rows.push(row);
    for (const name of FACET_NAMES) FACETS[name](row).forEach((value) => occurring[name].add(value));
    const name = groupOf(row);
    if (!groups.has(name)) groups.set(name, []);
    const samples = groups.get(name);
    samples.push(row.number);
    samples.sort((a, b) => rows[a].sample - rows[b].sample || a - b);
  }
}

/** What can be chosen from a list: name -> the values that a row has. */
const FACETS = {
  outcome: (row) => [row.outcome],
  verdict: (row) => [row.verdict],
  family: (row) => [row.family],
  skill: (row) => (row.skills.length ? row.skills : ["none"]),
  tool: (row) => (Object.keys(row.tools).length ? Object.keys(row.tools) : ["none"]),
  step: (row) => [String(row.step)],
};

const FACET_NAMES = Object.keys(FACETS);
const occurring = Object.fromEntries(FACET_NAMES.map((name) => [name, new Set()])); // the values that rows have

const unscored = (row) => row.verdict === "unscored";
const SORTS = {
  "time": ["oldest first", (row) => row.number],
  "-time": ["newest first", (row) => -row.number],
  "-reward": ["reward, highest first", (row) => (unscored(row) ? Infinity : -row.total)],
  "reward": ["reward, lowest first", (row) => (unscored(row) ? Infinity : row.total)],
  "-tokens": ["longest first", (row) => -row.sampled],
  "tokens": ["shortest first", (row) => row.sampled],
  "-turns": ["most turns first", (row) => -row.turns],
  "turns": ["fewest turns first", (row) => row.turns],
};

/** What excludes a row: null for nothing, a facet's name if that alone does, "more" for anything else. */
function excludedBy(row, filters, needle) {
  if (filters.min !== "" && (unscored(row) || row.total < Number(filters.min))) return "more";
  if (filters.max !== "" && (unscored(row) || row.total > Number(filters.max))) return "more";
  if (!row.needle.includes(needle)) return "more";
  let by = null;
  for (const name of FACET_NAMES) {
    if (!filters[name] || FACETS[name](row).includes(filters[name])) continue;
    if (by) return "more";
    by = name;
  }
  return by;
}

/** The numbers that the filters leave, in order; and for every value of every facet, how many it would leave. */
function sifted(filters) {
  const needle = filters.text.trim().toLowerCase(), left = [];
  const counts = Object.fromEntries(FACET_NAMES.map((name) => [name, new Map()]));
  for (const row of rows) {
    const by = excludedBy(row, filters, needle);
    if (by === null) left.push(row.number);
    if (by === "more") continue;
    for (const name of by ? [by] : FACET_NAMES) {
      for (const value of FACETS[name](row)) counts[name].set(value, (counts[name].get(value) ?? 0) + 1);
    }
  }
  if (filters.sort !== "time") left.sort((a, b) => compare(a, b, filters.sort));
  return { left, counts };
}

function compare(a, b, sort) {
  const [, key] = SORTS[sort], first = key(rows[a]), second = key(rows[b]);
  return first === second ? a - b : first - second;
}

/** The figures of some rows. Rates and means are over the scored ones. */
function figures(some) {
  const scored = some.filter((row) => !unscored(row));
  const ran = scored.reduce((sum, row) => sum + row.code_runs, 0);
  const over = (some, text) => (some ? text : "–"); // where there is nothing to take a mean of
  const share = (value) => over(scored.length, percent(mean(scored.map((row) => Number(value(row))))));
  const average = (name, digits) => over(scored.length, mean(scored.map((row) => row[name])).toFixed(digits));
  return [
    ["episodes", whole.format(some.length)],
    ["accuracy", share((row) => row.accuracy)],
    ["format", share((row) => row.format)],
    ["reward", average("total", 3)],
    ["used a tool", share((row) => Object.keys(row.tools).length > 0)],
    ["code errors", over(ran, percent(scored.reduce((sum, row) => sum + row.code_errors, 0) / ran))],
    ["turns", average("turns", 1)],
    ["tokens", average("sampled", 0)],
    ["truncated", share((row) => row.outcome === "truncated")],
    ...(scored.length < some.length ? [["infra failures", whole.format(some.length - scored.length)]] : []),
  ];
}

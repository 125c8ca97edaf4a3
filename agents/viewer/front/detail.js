// --- One trajectory. --------------------------------------------------------------------------------------

const shown = $("#shown");
let asking = 0; // an answer that is overtaken is dropped

async function showDetail() {
  const number = state.current, ticket = ++asking;
  tip.hidden = true;
  if (number < 0) return shown.replaceChildren(h("p", { class: "nothing" }, order.length ? "Choose a trajectory." : ""));
  shown.setAttribute("aria-busy", "true");
  if (!shown.firstChild) shown.append(h("p", { class: "nothing" }, "Loading …"));
  const elements = await source.detail(number).then(
    ({ detail, words: vocabulary }) => detailView(rows[number], detail, vocabulary),
    (error) => [h("p", { class: "failure", role: "alert" }, `This trajectory could not be loaded: ${error.message}`)]);
  if (ticket !== asking) return;
  shown.removeAttribute("aria-busy");
  shown.replaceChildren(...elements);
}

function detailView(row, detail, vocabulary) {
  return [
    head(row, detail),
    h("section", { class: "block question" }, h("h3", {}, "Question"),
      h("p", { class: "asked" }, detail.question), pictures(detail.pictures), promptPanel(detail)),
    ...detail.turns.map((turn, place) => h("section", { class: "turn" }, turnHead(turn, place + 1), turnBody(turn))),
    result(row, detail),
    tokenPanel(detail, vocabulary),
    provenance(row, detail),
  ];
}

function head(row, detail) {
  const samples = samplesOf(row.number);
  return h("header", { class: "head" },
    h("h2", {}, row.task_id),
    h("p", { class: "chips" },
      h("span", { class: `chip ${row.verdict}` }, row.verdict),
      h("span", { class: "chip" }, words(row.outcome)),
      row.family && h("span", { class: "chip" }, row.family),
      row.skills.map((skill) => h("span", { class: "chip skill" }, skill)),
      chips(row.tools),
      h("span", { class: `chip ${detail.token_exact ? "" : "invalid"}`, title: detail.token_exact
        ? "Ids and log-probabilities are those that the policy sampled."
        : "A script or a chat API gave text; its turns were encoded afterwards." }, detail.token_exact ? "token-exact" : "not token-exact"),
      h("span", { class: "muted" }, `${count(row.turns, "turn")} · ${whole.format(row.sampled)} sampled of ${count(row.tokens, "token")}`)),
    h("p", { class: "gist" }, "answer ", h("b", { class: row.verdict }, row.answer === null ? "none" : clipped(row.answer)),
      "reference ", h("b", {}, clipped(row.reference)), "reward ", h("b", {}, reward(row))),
    samples.length > 1 && siblings(row, samples));
}

const clipped = (text) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

function siblings(row, samples) {
  return h("p", { class: "siblings" },
    h("span", { class: "muted" }, "samples of this task"),
    samples.map((number) => {
      const name = `sample ${rows[number].sample}: ${rows[number].verdict}, reward ${reward(rows[number])}`;
      return h("button", { type: "button", class: `goto dot ${rows[number].verdict}`, "data-number": number,
        "aria-current": number === row.number ? "true" : null, title: name, "aria-label": name });
    }),
    h("span", { class: "muted keys-hint" }, h("kbd", {}, "h"), " ", h("kbd", {}, "l"), " walk, ", h("kbd", {}, "g"), " compare"));
}

function promptPanel(detail) {
  return h("details", { class: "prompt" }, h("summary", {}, "Prompt as the policy got it"),
    detail.system_prompt && [h("h4", {}, "system"), h("pre", { tabindex: 0 }, detail.system_prompt)],
    h("h4", {}, "user"), h("pre", { tabindex: 0 }, detail.prompt));
}

function bar(name, value, most = 1) {
  return h("div", { class: "bar" }, h("span", {}, name),
    h("meter", { min: 0, max: most, value: value, "aria-label": name }), h("b", {}, value.toFixed(2)));
}

function result(row, detail) {
  return h("section", { class: "block result" },
    h("div", { class: `compare-answers ${row.verdict}` },
      h("div", {}, h("h3", {}, "Answer"), h("p", {}, answerText(detail.answer))),
      h("div", {}, h("h3", {}, "Reference"), h("p", {}, detail.reference))),
    h("div", { class: "bars" }, h("h3", {}, "Reward"), unscored(row)
      ? h("p", { class: "muted" }, "Not scored: the infrastructure failed.")
      : [bar("accuracy", row.accuracy), bar("format", row.format), bar("total", row.total, Math.max(1, row.total)),
        detail.formula && h("p", { class: "formula" }, `total = ${detail.formula}`)]));
}

function provenance(row, detail) {
  const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  return h("details", { class: "block" }, h("summary", {}, "Provenance"),
    h("dl", { class: "facts" },
      fact("task", row.task_id), fact("run seed", row.seed),
      fact("step · prompt · sample", `${row.step} · ${row.prompt} · ${row.sample}`),
      fact("tokens", detail.token_exact ? "exactly as sampled" : "encoded from text"),
      Object.entries(detail.versions).sort().map(([name, version]) => fact(name, version))));
}

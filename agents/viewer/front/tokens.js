// --- The token strip: masks and probabilities, in the sections of the conversation. -----------------------

const SURPRISE = 4; // nats at which a token is shown as fully surprising: p = 2 %
const FOLDED = 300; // tokens above which a masked section is folded: system prompts, long outputs

/** Cut a strip into the turns and what lies between them. */
function sections(strip) {
  const found = [], starts = new Map(strip.turns.map(([start, logprobs], turn) => [start, { turn: turn + 1, logprobs }]));
  let position = 0, images = 0, open = null;
  for (const id of strip.ids) {
    const begun = starts.get(position);
    if (begun) found.push(open = { ...begun, tokens: [] });
    else if (!open || (open.logprobs && open.tokens.length === open.logprobs.length)) {
      found.push(open = { after: found.length ? found.at(-1).turn : 0, tokens: [] });
    }
    open.tokens.push({ id, position, image: id < 0 ? ++images : 0, logprob: open.logprobs?.[open.tokens.length] });
    position += id < 0 ? -id : 1;
  }
  return found;
}

function tokenSection(section, strip, vocabulary) {
  const { turn, after, tokens, logprobs } = section;
  const size = tokens.reduce((sum, { id }) => sum + (id < 0 ? -id : 1), 0);
  const name = turn ? `turn ${turn}` : after ? `after turn ${after}` : "prompt";
  const facts = turn
    ? `${count(size, "token")} sampled${strip.scored ? ` · mean log p ${mean(logprobs).toFixed(3)} · least ${Math.min(...logprobs).toFixed(2)}` : ""}`
    : `${count(size, "token")}, masked`;
  const body = h("div", { class: "run" });
  const fill = () => { if (!body.firstChild) body.append(...tokens.map((token) => tokenElement(token, strip, vocabulary))); };
  const element = h("details", { class: turn ? "part spoken" : "part", open: Boolean(turn) || size <= FOLDED },
    h("summary", {}, h("b", {}, name), ` ${facts}`), body);
  if (element.open) fill();
  element.addEventListener("toggle", fill);
  return element;
}

function tokenElement({ id, position, image, logprob }, strip, vocabulary) {
  const text = image ? `image ${image}` : vocabulary[id] ?? String(id), scored = strip.scored && logprob !== undefined;
  const kind = ["tok", logprob === undefined ? "masked" : "sampled", image && "pic", !image && !(id in vocabulary) && "bare"];
  const element = h("span", { class: kind.filter(Boolean).join(" ") }, image ? text : text.replaceAll("\n", "⏎\n"));
  if (scored) element.style.setProperty("--odd", Math.min(1, -logprob / SURPRISE));
  element.dataset.tip = [
    image ? `${text}: ${-id} tokens` : `${JSON.stringify(text)}   id ${id}`,
    `position ${position}   ${logprob === undefined ? "masked" : "sampled"}`,
    ...(scored ? [`p = ${Math.exp(logprob).toPrecision(3)}   log p = ${logprob}`] : []),
  ].join("\n");
  return element;
}

function tokenPanel({ strip }, vocabulary) {
  const body = h("div", { class: "strip" });
  const panel = h("details", { class: "block tokens" },
    h("summary", {}, "Tokens ", h("kbd", {}, "t")),
    h("p", { class: "legend" },
      h("span", { class: "tok masked" }, "masked: prompt, prefill, observation"),
      h("span", { class: "tok sampled" }, "sampled, sure"),
      strip.scored ? h("span", { class: "tok sampled odd" }, "sampled, surprising")
        : h("span", { class: "muted" }, "no log-probabilities: a script or an API spoke, not a policy")),
    body);
  panel.addEventListener("toggle", () => {
    tokensOpen = panel.open;
    if (panel.open && !body.firstChild) body.append(...sections(strip).map((part) => tokenSection(part, strip, vocabulary)));
  });
  panel.open = tokensOpen;
  return panel;
}

let tokensOpen = false; // stays open from one trajectory to the next

const tip = $("#tip");
function explain(event) {
  const token = event.target.closest?.(".strip .tok");
  tip.hidden = !token;
  if (!token) return;
  tip.textContent = token.dataset.tip;
  const box = token.getClientRects()[0], width = tip.offsetWidth;
  tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, box.left))}px`;
  tip.style.top = box.top > tip.offsetHeight + 12 ? `${box.top - tip.offsetHeight - 6}px` : `${box.bottom + 6}px`;
}

// --- What a trajectory is made of, as elements: for the trajectory itself and for its group. --------------

function pictures(some) {
  return some.length ? h("div", { class: "gallery" }, some.map((picture) => {
    const size = `${picture.width}×${picture.height}`;
    return h("figure", {},
      h("button", { type: "button", class: "picture", title: "Enlarge" },
        h("img", { src: source.image(picture.sha256), width: picture.width, height: picture.height,
          loading: "lazy", decoding: "async", alt: picture.label })),
      h("figcaption", {}, `${picture.label} · ${size} · ${count(picture.tokens, "token")}`));
  })) : null;
}

function piece({ kind, text }) {
  return h("div", { class: `piece ${kind}` },
    h("span", { class: "tag" }, words(kind)),
    h("pre", { tabindex: kind === "code" ? 0 : null }, kind in COLOURED ? highlighted(text) : text));
}

function observation({ observation: shown, tool_ok: ok }) {
  return shown.length ? h("div", { class: `piece observation${ok === false ? " failed" : ""}` },
    h("span", { class: "tag" }, ok === false ? "observation · error" : "observation"),
    h("div", { class: "seen" }, shown.map((part) => [part.text && h("pre", { tabindex: 0 }, part.text), pictures(part.pictures)])),
  ) : null;
}

function turnBody(turn) {
  return [turn.pieces.length ? turn.pieces.map(piece) : h("p", { class: "muted" }, "(empty turn)"), observation(turn)];
}

function turnHead(turn, number, more) {
  return h("h3", {}, h("span", {}, `Turn ${number}`),
    h("span", { class: `chip ${turn.action}` }, words(turn.action)),
    h("span", { class: "muted" }, count(turn.tokens, "token"), turn.finish_reason === "length" && " · cut by the token limit"),
    more);
}

const reward = (row) => (unscored(row) ? "–" : row.total.toFixed(2));
const answerText = (answer) => (answer === null ? h("i", { class: "muted" }, "none") : answer);

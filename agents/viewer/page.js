"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const explorer = $("#explorer"), shown = $("#shown"), form = $(".filters"), tip = $("#tip");
  const zoom = $("#zoom"), help = $("#help");
  const rows = all(".row");
  const vocabulary = JSON.parse($("#vocabulary").textContent);
  const SURPRISE = 4; // nats at which a token is shown as fully surprising: p = 2 %
  let current = -1, tokensOpen = false;

  // --- the list ------------------------------------------------------------------------------------------

  function matches(row) {
    return all("select", form).every((select) =>
      !select.value || row.dataset[select.name].split(select.name === "tool" ? " " : "\0").includes(select.value))
      && row.dataset.text.includes(form.elements.text.value.trim().toLowerCase());
  }

  function filter() {
    for (const row of rows) row.parentElement.hidden = !matches(row);
    $(".count").value = `${visible().length} of ${rows.length}`;
    for (const select of all("select", form)) select.classList.toggle("on", Boolean(select.value));
    place();
  }

  const visible = () => rows.filter((row) => !row.parentElement.hidden);

  function place() {
    const list = visible(), at = list.indexOf(rows[current]);
    $(".place").textContent = current < 0 ? "" : `${at < 0 ? "–" : at + 1} / ${list.length}`;
  }

  function step(by) {
    const list = visible();
    if (!list.length) return;
    const at = list.findIndex((row) => Number(row.dataset.number) >= current);
    const exact = list[at] === rows[current];
    const next = exact ? at + by : by > 0 ? (at < 0 ? list.length - 1 : at) : (at < 0 ? list.length : at) - 1;
    open(list[Math.max(0, Math.min(list.length - 1, next))]);
  }

  // --- one trajectory ------------------------------------------------------------------------------------

  function open(row, { reveal = true } = {}) {
    current = Number(row.dataset.number);
    for (const one of rows) one.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    shown.replaceChildren($(`#t${current}`).content.cloneNode(true));
    for (const image of all("img[data-sha]", shown)) image.src = $(`#image-${image.dataset.sha}`).textContent;
    const tokens = $(".tokens", shown);
    tokens.addEventListener("toggle", () => {
      tokensOpen = tokens.open;
      if (tokens.open && !$(".strip", tokens).firstChild) fill(tokens);
    });
    tokens.open = tokensOpen;
    tip.hidden = true;
    place();
    if (!reveal) return;
    explorer.dataset.view = "detail";
    history.replaceState(null, "", `#${current}`);
    row.scrollIntoView({ block: "nearest" });
    const top = $(".detail").getBoundingClientRect().top;
    if (top < 0 || top > innerHeight / 2) $(".detail").scrollIntoView();
  }

  function sibling(by) {
    const list = all(".goto", shown), at = list.findIndex((one) => one.hasAttribute("aria-current"));
    if (list[at + by]) open(rows[list[at + by].dataset.number]);
  }

  // --- tokens --------------------------------------------------------------------------------------------

  function fill(details) {
    const data = JSON.parse($(".tokendata", details).textContent), strip = $(".strip", details);
    const sampled = new Map(data.turns.flatMap(([start, logprobs]) => logprobs.map((value, i) => [start + i, value])));
    let position = 0, images = 0;
    for (const id of data.ids) {
      const text = id < 0 ? `image ${++images}` : vocabulary[id] ?? String(id);
      strip.append(chip(id, text, position, sampled.get(position), data.scored));
      position += id < 0 ? -id : 1;
    }
    // Past the prompt, to where the policy begins to speak.
    const first = $(".sampled", strip);
    if (first) strip.scrollTop = first.offsetTop - strip.offsetTop - 48;
  }

  function chip(id, text, position, logprob, scored) {
    const token = document.createElement("span"), known = scored && logprob !== undefined;
    token.className = logprob === undefined ? "tok masked" : "tok sampled";
    token.classList.toggle("pic", id < 0);
    token.classList.toggle("bare", id >= 0 && !(id in vocabulary));
    if (known) token.style.setProperty("--odd", Math.min(1, -logprob / SURPRISE));
    token.textContent = id < 0 ? text : text.replaceAll("\n", "⏎\n");
    token.dataset.tip = [
      id < 0 ? `${text}: ${-id} tokens` : `${JSON.stringify(text)}   id ${id}`,
      `position ${position}   ${logprob === undefined ? "masked" : "sampled"}`,
      ...(known ? [`p = ${Math.exp(logprob).toPrecision(3)}   log p = ${logprob}`] : []),
    ].join("\n");
    return token;
  }

  function explain(event) {
    const token = event.target.closest?.(".strip .tok");
    tip.hidden = !token;
    if (!token) return;
    tip.textContent = token.dataset.tip;
    const box = token.getClientRects()[0], width = tip.offsetWidth;
    tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, box.left))}px`;
    tip.style.top = box.top > tip.offsetHeight + 12 ? `${box.top - tip.offsetHeight - 6}px` : `${box.bottom + 6}px`;
  }

  // --- pictures ------------------------------------------------------------------------------------------

  let pictures = [], pictured = 0;

  function enlarge(number) {
    pictured = (number + pictures.length) % pictures.length;
    const image = $("img", zoom), source = pictures[pictured];
    image.src = source.src;
    image.classList.remove("actual");
    image.width = source.naturalWidth || source.width;
    image.height = source.naturalHeight || source.height;
    const fit = Math.min((innerWidth - 32) / image.width, (innerHeight - 80) / image.height);
    image.style.width = `${image.width * fit}px`;
    image.style.height = `${image.height * fit}px`;
    image.classList.toggle("grown", fit > 1);
    $("p", zoom).textContent =
      `${source.alt} · ${image.width}×${image.height} · shown at ${Math.round(100 * fit)} %`
      + (pictures.length > 1 ? ` · ${pictured + 1} of ${pictures.length} (← →)` : "");
    if (!zoom.open) zoom.showModal();
  }

  function toggleActual(image) {
    if (!image.classList.contains("actual")) {
      image.classList.add("actual");
      image.style.width = image.style.height = "";
    } else enlarge(pictured);
  }

  // --- events --------------------------------------------------------------------------------------------

  const keys = {
    j: () => step(1),
    k: () => step(-1),
    l: () => sibling(1),
    h: () => sibling(-1),
    t: () => { const tokens = $(".tokens", shown); if (tokens) tokens.open = !tokens.open; },
    "/": () => { explorer.dataset.view = "list"; form.elements.text.focus(); form.elements.text.select(); },
    "?": () => help.showModal(),
    Escape: () => { explorer.dataset.view = "list"; },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (zoom.open) {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by) enlarge(pictured + by);
      return;
    }
    if (help.open) return;
    if (event.target.matches("input, select")) {
      if (event.key === "Escape" || event.key === "Enter") { event.preventDefault(); event.target.blur(); }
      return;
    }
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    if (hit(".row")) open(hit(".row"));
    else if (hit(".goto")) open(rows[hit(".goto").dataset.number]);
    else if (hit(".next")) step(1);
    else if (hit(".previous")) step(-1);
    else if (hit(".back")) { explorer.dataset.view = "list"; rows[current]?.scrollIntoView({ block: "center" }); }
    else if (hit(".keys")) help.showModal();
    else if (hit(".picture")) {
      pictures = all(".picture img", shown);
      enlarge(pictures.indexOf($("img", hit(".picture"))));
    } else if (hit("#zoom img")) toggleActual(hit("#zoom img"));
    else if (event.target === zoom || event.target === help) event.target.close();
    explain(event);
  });
  document.addEventListener("mouseover", explain);
  document.addEventListener("scroll", () => { tip.hidden = true; }, true);
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());

  filter();
  const wanted = rows[Number(location.hash.slice(1) || NaN)];
  if (wanted) open(wanted);
  else if (rows.length) open(rows[0], { reveal: false });
})();

// --- The form above the list. -----------------------------------------------------------------------------

const form = $(".filters");

function buildFilters() {
  const choice = (name) => h("label", {}, h("span", {}, name), h("select", { name }));
  const bound = (name, label) => h("input", { name, type: "number", step: "any", inputmode: "decimal", placeholder: label, "aria-label": `${label} reward` });
  $("#more").append(
    ...FACET_NAMES.map(choice),
    h("div", { class: "range", role: "group", "aria-label": "Reward" },
      h("span", {}, "reward"), bound("min", "least"), h("i", { "aria-hidden": "true" }, "–"), bound("max", "most")),
    h("label", {}, h("span", {}, "order"), h("select", { name: "sort" },
      Object.entries(SORTS).map(([value, [label]]) => h("option", { value }, label)))),
  );
  form.addEventListener("input", () => {
    for (const name of [...Object.keys(NO_FILTERS), "sort"]) state[name] = form.elements[name].value;
    filtersChanged();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}

/** Show the state in the form, and at every value the number of rows that choosing it would leave. */
function fillFilters(counts) {
  for (const name of FACET_NAMES) {
    const values = [...new Set([...occurring[name], state[name]])].filter(Boolean);
    values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const select = form.elements[name];
    const options = [["", "any"], ...values.map((value) => [value, `${words(value)} · ${whole.format(counts[name].get(value) ?? 0)}`])];
    if (String(options) !== select.dataset.options) {
      select.dataset.options = options;
      select.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
    }
    select.parentElement.hidden = values.length < 2 && !state[name];
  }
  for (const name of [...Object.keys(NO_FILTERS), "sort"]) {
    const field = form.elements[name];
    if (field.value !== state[name]) field.value = state[name];
    field.classList.toggle("on", name in NO_FILTERS && name !== "text" && state[name] !== "");
  }
  const active = filtersActive(), hidden = active.filter((name) => name !== "text").length;
  $(".badge", form).textContent = hidden;
  $(".badge", form).hidden = !hidden;
  $(".clear", form).hidden = !active.length;
  $(".count", form).value = `${whole.format(order.length)} of ${whole.format(rows.length)}`;
}

function clearFilters() {
  Object.assign(state, NO_FILTERS);
  filtersChanged();
}

function toggleFilters(open = !form.classList.contains("open")) {
  form.classList.toggle("open", open);
  $(".toggle", form).setAttribute("aria-expanded", open);
}

// --- Elements and numbers. Text becomes text nodes, never markup. -----------------------------------------

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** An element. Properties that are null or false and children that are null or false are left out. */
function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const whole = new Intl.NumberFormat("en-GB");
const count = (number, one, many = `${one}s`) => `${whole.format(number)} ${number === 1 ? one : many}`;
const percent = (share) => `${(100 * share).toFixed(1)}\u2009%`;
const words = (name) => name.replaceAll("_", " ");
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0);
const spread = (values) => Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));

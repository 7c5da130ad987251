// Elements without a line of HTML in strings: foreign text can only become text.

const SVG = "http://www.w3.org/2000/svg";

function setOne(node, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key === "text") node.textContent = value;
  else if (key === "on") Object.entries(value).forEach(([name, act]) => node.addEventListener(name, act));
  else if (key === "data") Object.assign(node.dataset, value);
  else node.setAttribute(key, value === true ? "" : value);
}

function filled(node, properties, children) {
  for (const [key, value] of Object.entries(properties)) setOne(node, key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element; of `properties`, `text`, `on` and `data` are special, all others attributes. */
export function make(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function draw(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

export function button(text, act, properties = {}) {
  return make("button", { type: "button", text, on: { click: act }, ...properties });
}

function calmMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Puts `node` before the eyes, unless it is there already. */
export function bringIntoView(node) {
  const box = node.getBoundingClientRect();
  const seen = box.top >= 0 && box.top < innerHeight * 0.7;
  if (!seen) node.scrollIntoView({ behavior: calmMotion() ? "auto" : "smooth", block: "start" });
}

/** True where a key belongs to the field that has it. */
export function isField(node) {
  return node.matches?.("input, textarea, select, [contenteditable]") ?? false;
}

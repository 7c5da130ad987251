// Labelled fields of a form.

import { make } from "./dom.js";

export class FieldError extends Error {}

export function field(label, control, hint = null) {
  const words = make("label", { for: control.id, text: label });
  return make("div", { class: "field" }, words, control, hint);
}

export function numberField(id, limits = {}) {
  return make("input", { type: "number", id, inputmode: "decimal", autocomplete: "off", ...limits });
}

export function limit(input, limits) {
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined) input.setAttribute(name, value);
  }
}

/** null for an empty field; a browser hides half a number behind an empty value, hence the check. */
export function numberIn(input, name) {
  if (input.validity.badInput) throw new FieldError(`${name}: this is not a number.`);
  return input.value === "" ? null : Number(input.value);
}

export function choices(select, options) {
  const kept = select.value;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  if (options.some(([value]) => value === kept)) select.value = kept;
}

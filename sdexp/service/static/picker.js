// Models as checkboxes: originals, then each run with its checkpoints and exports.

import { make } from "./dom.js";
import { verdictClass } from "./words.js";

const MANY = 12;

function shortLabel(model) {
  if (model.kind === "checkpoint") return `step ${model.steps ?? model.id.split("@").pop()}`;
  if (model.kind === "export") return `export ${model.id.split("@").pop()}`;
  return model.label;
}

function verdictOf(model) {
  const verdict = model.kind === "run" && model.scores?.verdict;
  return verdict ? make("span", { class: `verdict ${verdictClass(verdict)}`, text: verdict }) : null;
}

/** Originals stand alone; what belongs to one run stands together. */
function grouped(models) {
  const groups = new Map();
  for (const model of models) {
    const key = model.run ?? "originals";
    groups.set(key, [...(groups.get(key) ?? []), model]);
  }
  return groups;
}

export class Picker {
  constructor(prefix, { onChange }) {
    this.onChange = onChange;
    this.chosen = null;
    this.touched = false;
    this.models = [];
    this.filter = make("input", {
      type: "search",
      id: `${prefix}models-filter`,
      placeholder: "filter",
      "aria-label": "Filter the models",
      hidden: true,
    });
    this.filter.addEventListener("input", () => this.applyFilter());
    this.list = make("div", { class: "models", id: `${prefix}models` });
    this.list.addEventListener("change", (event) => this.toggle(event.target));
    const legend = make("legend", { text: "Models" });
    this.element = make("fieldset", { class: "picker" }, legend, this.filter, this.list);
  }

  /** The first choice of all: an original, and the newest run that can be used. */
  standard() {
    const usable = this.models.filter((model) => model.state !== "refused");
    const run = usable.find((model) => model.kind === "run");
    const original = usable.find((model) => model.id === (run?.original ?? model.id));
    return [original, run].filter(Boolean).map((model) => model.id);
  }

  offer(models) {
    this.models = models;
    const usable = new Set(models.filter((model) => model.state !== "refused").map((model) => model.id));
    const lost = (this.chosen ?? []).some((id) => !usable.has(id));
    if (this.chosen === null || (lost && !this.touched)) this.chosen = models.length ? this.standard() : null;
    this.chosen = (this.chosen ?? []).filter((id) => usable.has(id));
    this.filter.hidden = models.length <= MANY;
    this.redraw();
  }

  redraw() {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.value : null;
    const groups = [...grouped(this.models)].map(([key, models]) => this.group(key, models));
    this.list.replaceChildren(...groups);
    this.applyFilter();
    if (focused) this.boxOf(focused)?.focus();
  }

  group(key, models) {
    const main = models.filter((model) => model.kind === "original" || model.kind === "run");
    const parts = models.filter((model) => !main.includes(model));
    const box = make("div", { class: "group", role: "group", "aria-label": key });
    main.forEach((model) => box.append(this.row(model)));
    if (parts.length) box.append(make("div", { class: "parts" }, ...parts.map((model) => this.row(model))));
    return box;
  }

  row(model) {
    const refused = model.state === "refused";
    const input = make("input", { type: "checkbox", value: model.id, disabled: refused });
    input.checked = this.chosen.includes(model.id);
    const title = model.run ? `${model.label}, ${model.id}` : model.id;
    const words = make("span", { class: "words", text: shortLabel(model), title });
    const label = make("label", { class: "check" }, input, words, verdictOf(model));
    const row = make("div", { class: `model ${model.kind}` }, label);
    if (model.kind === "run") row.append(make("span", { class: "id", text: model.id, title: model.id }));
    if (refused) row.append(make("span", { class: "refused", text: `refused: ${model.refused ?? "no reason given"}` }));
    if (input.checked) row.append(make("span", { class: "proof", text: model.badge }));
    return row;
  }

  boxOf(id) {
    return [...this.list.querySelectorAll("input")].find((input) => input.value === id);
  }

  toggle(input) {
    this.touched = true;
    const others = this.chosen.filter((id) => id !== input.value);
    this.chosen = input.checked ? [...others, input.value] : others;
    this.redraw();
    this.onChange();
  }

  /** In the order of the list, whatever the order of the clicks. */
  ids() {
    return this.models.map((model) => model.id).filter((id) => this.chosen?.includes(id));
  }

  /** Returns those of `ids` that cannot be chosen. */
  choose(ids) {
    this.touched = true;
    const usable = this.models.filter((model) => model.state !== "refused").map((model) => model.id);
    this.chosen = ids.filter((id) => usable.includes(id));
    this.redraw();
    this.onChange();
    return ids.filter((id) => !usable.includes(id));
  }

  applyFilter() {
    const wanted = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const group of this.list.children) {
      const text = `${group.textContent} ${group.getAttribute("aria-label")}`.toLowerCase();
      const kept = group.querySelector("input:checked") !== null;
      group.hidden = !kept && !wanted.every((word) => text.includes(word));
    }
  }
}

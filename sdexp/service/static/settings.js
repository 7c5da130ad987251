// Steps, guidance, sampler, size. An empty field is the default of the chosen run, and shows it.

import { button, make } from "./dom.js";
import { choices, field, limit, numberField, numberIn } from "./fields.js";

const NUMBERS = {
  num_inference_steps: "Steps",
  guidance_scale: "Guidance",
  width: "Width",
  height: "Height",
  num_images: "Pictures",
  lora_scale: "LoRA scale",
};

const idOf = (prefix, name) => prefix + name.replaceAll("_", "-");

export class Settings {
  /** `names`: which of the numbers this view offers. */
  constructor(prefix, names) {
    this.numbers = {};
    const grid = make("div", { class: "settings" });
    for (const name of names) {
      this.numbers[name] = numberField(idOf(prefix, name), { step: name.endsWith("scale") ? "any" : 1 });
      grid.append(field(NUMBERS[name], this.numbers[name]));
    }
    if (this.numbers.num_images) this.numbers.num_images.title = "for each model, of seed, seed + 1, ...";
    this.sampler = make("select", { id: `${prefix}sampler` });
    grid.children[1].after(field("Sampler", this.sampler));
    this.negative = make("textarea", { id: `${prefix}negative-prompt`, rows: 1 });
    this.blank = make("p", { class: "hint", text: "Empty: the default. A single space: none.", hidden: true });
    this.negativeElement = field("Negative prompt", this.negative, this.blank);
    this.reset = button("Use defaults", () => this.clear(), { id: `${prefix}use-defaults`, class: "link" });
    this.element = make("div", {}, this.head(), grid);
  }

  head() {
    return make("div", { class: "head" }, make("h2", { text: "Settings" }), this.reset);
  }

  offer({ samplers, limits }) {
    this.samplers = samplers;
    const sides = { min: limits.min_side, max: limits.max_side, step: limits.side_step };
    const known = {
      num_inference_steps: { min: 1, max: limits.max_inference_steps },
      guidance_scale: { min: 0, max: limits.max_guidance_scale },
      width: sides,
      height: sides,
      num_images: { min: 1, max: limits.max_images },
      lora_scale: { min: 0, max: limits.max_lora_scale },
    };
    for (const [name, input] of Object.entries(this.numbers)) limit(input, known[name]);
    this.offerSamplers("");
  }

  offerSamplers(standard) {
    const words = standard ? `default: ${standard}` : "default";
    choices(this.sampler, [["", words], ...this.samplers.map((name) => [name, name])]);
  }

  /** The defaults of `model` behind the empty fields. */
  showDefaults(model, hasStrength) {
    if (!model) return;
    const defaults = { width: model.side, height: model.side, num_images: 1, lora_scale: 1, ...model.defaults };
    for (const [name, input] of Object.entries(this.numbers)) input.placeholder = defaults[name];
    this.offerSamplers(defaults.sampler);
    this.negative.placeholder = defaults.negative_prompt || "none";
    this.blank.hidden = !defaults.negative_prompt;
    if (this.numbers.lora_scale) this.numbers.lora_scale.parentElement.hidden = !hasStrength;
  }

  clear() {
    for (const input of Object.values(this.numbers)) input.value = "";
    this.sampler.value = "";
    this.negative.value = "";
    this.sampler.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** As a request wants them: null for what was left alone. */
  values() {
    const values = { sampler: this.sampler.value || null };
    for (const [name, input] of Object.entries(this.numbers)) values[name] = numberIn(input, NUMBERS[name]);
    if (this.numbers.lora_scale?.parentElement.hidden) values.lora_scale = null;
    values.negative_prompt = this.negative.value === "" ? null : this.negative.value.trim();
    return values;
  }

  fill(recipe) {
    for (const [name, input] of Object.entries(this.numbers)) input.value = recipe[name] ?? "";
    this.sampler.value = recipe.sampler ?? "";
    const emptied = recipe.negative_prompt === "" && !this.blank.hidden;
    this.negative.value = emptied ? " " : recipe.negative_prompt ?? "";
  }

  snapshot() {
    const values = Object.entries(this.numbers).map(([name, input]) => [name, input.value]);
    return { ...Object.fromEntries(values), sampler: this.sampler.value, negative_prompt: this.negative.value };
  }

  restore(snapshot) {
    for (const [name, input] of Object.entries(this.numbers)) input.value = snapshot[name] ?? "";
    this.sampler.value = snapshot.sampler ?? "";
    this.negative.value = snapshot.negative_prompt ?? "";
  }
}

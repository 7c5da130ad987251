// The pictures of a comparison: a row for each seed, with a slider and the pictures beside each other.

import { button, make } from "./dom.js";
import { copyText, saveJson } from "./downloads.js";
import { Picture } from "./picture.js";
import { recipeLink } from "./recipe.js";
import { Slider } from "./slider.js";
import { fileName } from "./words.js";

function seedsOf(recipe) {
  return Array.from({ length: recipe.num_images ?? 1 }, (_, index) => recipe.seed + index);
}

function settingWords(recipe) {
  const words = [`${recipe.num_inference_steps} steps`, `guidance ${recipe.guidance_scale}`, recipe.sampler];
  words.push(`${recipe.width} × ${recipe.height}`);
  if (recipe.noise) words.push("noise of the evaluation");
  return words.join(" · ");
}

class Row {
  constructor(seed, models, tools) {
    this.slider = new Slider({ seed, ...tools });
    this.pictures = new Map(models.map((model) => [model, new Picture(model, seed, tools.labelOf(model))]));
    const beside = make("div", { class: "beside" }, ...[...this.pictures.values()].map((one) => one.element));
    this.body = make("div", { class: "body" }, beside);
    if (models.length > 1) this.body.prepend(this.slider.element);
    this.slider.element.hidden = true;
    const title = make("h3", { text: `Seed ${seed}` });
    this.element = make("section", { class: "seed-row", "aria-label": `seed ${seed}` }, title, this.body);
  }

  show(picture, judges) {
    const large = Math.max(picture.width, picture.height) >= 256;
    this.body.classList.toggle("large", large);
    this.slider.add(picture);
    this.pictures.get(picture.model)?.show(picture, judges);
  }
}

export class Results {
  /** `originalOf`: the id of a model's original, its own for an original. */
  constructor(element, labelOf, originalOf) {
    this.element = element;
    this.labelOf = labelOf;
    this.originalOf = originalOf;
    this.job = null;
  }

  show(job) {
    if (this.job !== job.id) this.begin(job);
    job.pictures.forEach((picture) => this.rows.get(picture.seed)?.show(picture, job.judges));
    this.showJudges(job);
  }

  begin(job) {
    this.job = job.id;
    const { recipe } = job;
    const pair = this.firstPair(recipe.models);
    const tools = { labelOf: this.labelOf, pair, onPair: (chosen) => this.choose(chosen) };
    this.rows = new Map(seedsOf(recipe).map((seed) => [seed, new Row(seed, recipe.models, tools)]));
    this.judges = make("p", { class: "soft small" });
    const rows = [...this.rows.values()].map((row) => row.element);
    this.element.replaceChildren(this.head(recipe), ...rows, this.judges);
    this.element.hidden = false;
  }

  firstPair(models) {
    const right = models.find((id) => this.originalOf(id) !== id) ?? models[1];
    const left = models.find((id) => id === this.originalOf(right)) ?? models.find((id) => id !== right);
    return left === right ? { left: models[0], right } : { left, right };
  }

  choose(pair) {
    for (const row of this.rows.values()) row.slider.choose(pair);
  }

  head(recipe) {
    const save = () => saveJson(recipe, fileName("recipe", `seed-${recipe.seed}.json`));
    const link = (event) => copyText(recipeLink(recipe), event.currentTarget);
    const title = make("h2", { text: recipe.prompt || "(empty prompt)" });
    const words = make("p", { class: "soft small", text: settingWords(recipe) });
    return make("div", { class: "head result-head" },
      make("div", {}, title, words),
      make("div", { class: "buttons" },
        button("Recipe", save, { class: "download-recipe quiet", title: "everything that was asked for, as JSON" }),
        button("Copy link", link, { class: "copy-link quiet", title: "whoever opens it gets the same pictures" })));
  }

  showJudges({ judges }) {
    const words = [];
    if (judges?.clip_score) words.push(`CLIP score: ${judges.clip_score}, higher fits the prompt better.`);
    if (judges?.drift) words.push(`Drift (lpips_drift): ${judges.drift}, distance from the original of the same seed.`);
    const text = words.join(" ");
    if (this.judges.textContent !== text) this.judges.textContent = text;
  }
}

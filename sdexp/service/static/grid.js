// The view of sheets: many pictures of one prompt, hidden among fillers.

import { api } from "./api.js";
import { catalog } from "./catalog.js";
import { make } from "./dom.js";
import { field } from "./fields.js";
import { Form } from "./form.js";
import { Panel } from "./panel.js";
import { Picker } from "./picker.js";
import { Picture } from "./picture.js";

const SIZES = [2, 4, 6, 8];
const WORDS = "A sheet of size × size pictures, in blocks of 2 × 2: one of the prompt among three fillers.";
const labelOf = (id) => catalog.labelOf(id);

export class Grid {
  constructor(root, { onChosen }) {
    this.root = root;
    this.job = null;
    this.form = new Form("grid-", {
      names: ["num_inference_steps", "guidance_scale", "lora_scale"],
      withNoise: false,
      makeChooser: (prefix, options) => new Picker(prefix, options),
      onStart: () => this.start(),
      onChosen,
    });
    this.panel = new Panel("grid-", {
      words: "Draw the sheets", send: api.grid, labelOf, onStart: () => this.start(), onJob: (job) => this.show(job),
      area: () => this.right,
    });
    this.size = make("select", { id: "grid-size" }, ...SIZES.map((size) => new Option(`${size} × ${size}`, size)));
    this.size.value = "4";
    this.form.seed.element.before(field("Size", this.size));
    this.results = make("div", { id: "grid-results", class: "sheets" });
    root.append(this.columns());
    catalog.onChange(() => this.offerSizes());
  }

  columns() {
    const intro = make("p", { class: "soft small", text: WORDS });
    const card = make("section", { class: "card controls" }, make("h1", { text: "Grid" }), intro,
      this.form.element, this.panel.actions);
    this.box = make("section", { class: "card", "aria-label": "Sheets", hidden: true }, this.results);
    const progress = make("section", { class: "card", "aria-label": "Progress" }, this.panel.element);
    this.right = make("div", { class: "right" }, progress, this.box);
    return make("div", { class: "columns" }, card, this.right);
  }

  offerSizes() {
    const largest = catalog.limits.max_grid_size ?? Math.max(...SIZES);
    for (const option of this.size.options) option.disabled = Number(option.value) > largest;
  }

  async begin() {
    await this.panel.resume();
  }

  route() {}

  async start() {
    if (this.panel.running) return;
    try {
      const request = { ...this.form.request(), size: Number(this.size.value) };
      await this.panel.run(request);
    } catch (error) {
      this.panel.fail(error, () => this.start());
    }
  }

  show(job) {
    if (this.job !== job.id) this.place(job);
    job.pictures.forEach((picture) => this.sheets.get(picture.model)?.show(picture, job.judges));
    this.form.seed.show(job.recipe.seed);
  }

  place(job) {
    this.job = job.id;
    this.box.hidden = false;
    const { models, seed } = job.recipe;
    this.sheets = new Map(models.map((model) => [model, new Picture(model, seed, labelOf(model))]));
    const title = make("h2", { text: job.recipe.prompt || "(empty prompt)" });
    this.results.replaceChildren(title, ...[...this.sheets.values()].map((sheet) => sheet.element));
  }

  escape() {
    this.panel.cancel();
  }
}

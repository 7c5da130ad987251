// The view that compares: one prompt, several models, the same noise.

import { api } from "./api.js";
import { catalog } from "./catalog.js";
import { make } from "./dom.js";
import { Form } from "./form.js";
import { History } from "./history.js";
import { Panel } from "./panel.js";
import { Picker } from "./picker.js";
import { recipeHash, recipeOf } from "./recipe.js";
import { Results } from "./results.js";
import { readPassing, writePassing } from "./storage.js";

const SHOWN = "sdexp.shown";
const NAMES = ["num_inference_steps", "guidance_scale", "width", "height", "num_images", "lora_scale"];
const labelOf = (id) => catalog.labelOf(id);
const originalOf = (id) => catalog.find(id)?.original;

export class Compare {
  constructor(root, { onChosen }) {
    this.root = root;
    this.form = new Form("", {
      names: NAMES,
      makeChooser: (prefix, options) => new Picker(prefix, options),
      onStart: () => this.start(),
      onChosen,
    });
    this.panel = new Panel("", {
      words: "Generate", send: api.generate, labelOf, onStart: () => this.start(), onJob: (job) => this.show(job),
      area: () => this.right,
    });
    this.resultsBox = make("section", { class: "card", id: "results", "aria-label": "Results", hidden: true });
    this.results = new Results(this.resultsBox, labelOf, originalOf);
    const history = make("section", { class: "card", "aria-label": "History" });
    const onOpen = (recipe) => this.open(recipe, "Your prompt gave way to the one from the history.");
    this.history = new History(history, { labelOf, onOpen });
    const card = make("section", { class: "card controls" }, make("h1", { text: "Compare" }),
      this.form.element, this.panel.actions);
    const progress = make("section", { class: "card", "aria-label": "Progress" }, this.panel.element);
    this.right = make("div", { class: "right" }, progress, this.resultsBox, history);
    root.append(make("div", { class: "columns" }, card, this.right));
  }

  /** Once the models are known. A reload goes on where the page was; a link begins anew. */
  async begin(route) {
    const ours = readPassing(SHOWN) === location.hash;
    const linked = route.view === "compare" && route.query;
    if (!linked || ours) {
      this.idle = this.panel.resume();
      const last = await this.idle;
      if (last) return this.ended(last);
    }
    if (linked) return this.route(route, ours);
    return null;
  }

  /** A link without a prompt only chooses; one with a prompt starts. */
  route({ query }, ours = false) {
    if (!query) return null;
    const recipe = recipeOf(new URLSearchParams(query));
    if (ours) return this.run(recipe);
    if (recipe.prompt === null) return this.choose(recipe.models);
    return this.open(recipe, "Your prompt gave way to the one of the link.");
  }

  choose(models) {
    this.form.chooser.choose(models);
    this.form.keep();
    this.form.prompt.input.focus();
  }

  async open(recipe, words) {
    const missing = this.form.fill(recipe, words);
    if (missing.length) this.form.prompt.say(`Not to be had here: ${missing.join(", ")}.`);
    await this.panel.cancel();
    await this.idle;
    return this.run({ ...recipe, prompt: recipe.prompt ?? "" });
  }

  start() {
    if (this.panel.running) return null;
    try {
      return this.run(this.form.request());
    } catch (error) {
      return this.panel.fail(error, () => this.start());
    }
  }

  run(request) {
    this.idle = this.follow(request);
    return this.idle;
  }

  async follow(request) {
    this.ended(await this.panel.run(request, (same) => this.run(same)));
  }

  show(job) {
    this.form.seed.show(job.recipe.seed);
    this.form.keep();
    this.results.show(job);
  }

  /** A finished recipe stands in the address: to be kept, sent, or reloaded. */
  ended(job) {
    if (job?.status !== "finished") return;
    this.history.add(job);
    catalog.refresh().catch(() => null);
    if (this.root.hidden) return;
    const hash = recipeHash(job.recipe);
    history.replaceState(null, "", hash);
    writePassing(SHOWN, location.hash);
  }

  escape() {
    this.panel.cancel();
  }
}

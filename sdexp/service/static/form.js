// The form of a view: prompt, models, settings, seed. What it holds survives a reload.

import { catalog } from "./catalog.js";
import { make } from "./dom.js";
import { FieldError } from "./fields.js";
import { Prompt } from "./prompt.js";
import { Seed } from "./seed.js";
import { Settings } from "./settings.js";
import { readPassing, writePassing } from "./storage.js";

export class Form {
  /** `chooser` has the models: a Picker, or anything that answers like one. */
  constructor(prefix, { names, withNoise = true, makeChooser, onStart, onChosen }) {
    this.key = `sdexp.draft.${prefix || "compare-"}`;
    this.withNoise = withNoise;
    this.onChosen = onChosen;
    this.lockBefore = false;
    this.chooser = makeChooser(prefix, { onChange: () => this.modelsChanged() });
    this.prompt = new Prompt(prefix, {
      onStart,
      onExample: (example) => this.takeExample(example),
      onNoiseGone: () => this.noiseGone(),
    });
    this.settings = new Settings(prefix, names);
    this.seed = new Seed(prefix, { onEdit: () => this.seedEdited() });
    this.element = make("div", { class: "form", role: "form", "aria-label": "What to generate" });
    this.element.append(this.prompt.element, this.settings.negativeElement, this.chooser.element,
      this.settings.element, this.seed.element);
    for (const name of ["input", "change", "click"]) this.element.addEventListener(name, () => this.keep());
    catalog.onChange(() => this.offer());
  }

  offer() {
    this.settings.offer(catalog);
    this.chooser.offer(catalog.models);
    if (!this.restored) this.restoreDraft();
    this.modelsChanged();
  }

  restoreDraft() {
    this.restored = true;
    const draft = readPassing(this.key);
    if (draft && this.prompt.input.value === "") this.restore(draft);
  }

  /** Not before the last draft was read: it would be lost. */
  keep() {
    if (!this.restored) return;
    writePassing(this.key, this.snapshot());
  }

  chosen() {
    return this.chooser.ids().map((id) => catalog.find(id));
  }

  modelsChanged() {
    const ids = this.chooser.ids();
    const leader = catalog.leader(ids);
    const strong = this.chosen().some((model) => model.has_strength);
    this.settings.showDefaults(leader, strong);
    this.prompt.offer(leader?.run ? leader : null);
    if (this.prompt.noise && leader?.run !== this.noiseRun) this.prompt.dropNoise();
    this.onChosen(this.chosen());
  }

  seedEdited() {
    if (!this.prompt.noise) return;
    const locked = this.seed.lock.checked;
    this.prompt.dropNoise();
    this.seed.lock.checked = locked;
    this.prompt.say("The noise of the evaluation went with its seed.");
  }

  noiseGone() {
    this.seed.lock.checked = this.lockBefore;
    this.keep();
  }

  takeExample(example) {
    const before = this.snapshot();
    if (!this.prompt.noise) this.lockBefore = before.locked;
    this.prompt.set(example.prompt);
    if (this.withNoise) this.putNoise(example.noise, example.seed);
    this.offerUndo(before, "Your prompt gave way to the example.");
    this.keep();
  }

  putNoise(noise, seed) {
    this.noiseRun = catalog.leader(this.chooser.ids())?.run;
    this.prompt.setNoise(noise ?? null, seed);
    if (noise) this.seed.restore({ seed, locked: true });
  }

  offerUndo(before, words) {
    const lost = before.own && before.prompt.trim() && before.prompt !== this.prompt.input.value;
    this.prompt.say(lost ? words : null, lost ? () => this.restore(before) : null);
  }

  /** Returns those of its models that cannot be chosen here. */
  fill(recipe, words) {
    const before = this.snapshot();
    const missing = recipe.models.length ? this.chooser.choose(recipe.models) : [];
    this.prompt.set(recipe.prompt ?? before.prompt);
    this.settings.fill(recipe);
    this.seed.restore({ seed: recipe.seed, locked: recipe.seed !== null && recipe.seed !== undefined });
    this.lockBefore = before.locked;
    this.putNoise(recipe.noise, recipe.seed);
    this.offerUndo(before, words);
    this.keep();
    return missing;
  }

  request() {
    const models = this.chooser.ids();
    if (models.length === 0) throw new FieldError("Choose at least one model.");
    const request = { prompt: this.prompt.input.value, models, ...this.settings.values(), seed: this.seed.forStart() };
    return this.withNoise ? { ...request, noise: this.prompt.noise } : request;
  }

  snapshot() {
    const { own, noise, input } = this.prompt;
    const models = this.chooser.ids();
    return { prompt: input.value, own, noise, models, ...this.settings.snapshot(), ...this.seed.snapshot() };
  }

  restore(snapshot) {
    this.prompt.set(snapshot.prompt);
    this.prompt.own = snapshot.own;
    this.prompt.say(null);
    if (snapshot.models.length) this.chooser.choose(snapshot.models);
    this.settings.restore(snapshot);
    this.putNoise(snapshot.noise, snapshot.seed);
    this.seed.restore(snapshot);
    this.keep();
  }
}

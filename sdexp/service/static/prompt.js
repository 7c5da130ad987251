// The prompt, example prompts of a run's held-out data, and the noise that comes with these.

import { api } from "./api.js";
import { button, make } from "./dom.js";
import { choices, field } from "./fields.js";

export class Prompt {
  constructor(prefix, { onStart, onExample, onNoiseGone }) {
    this.onNoiseGone = onNoiseGone;
    this.own = false;
    this.noise = null;
    this.run = null;
    this.list = [];
    this.input = make("textarea", { id: `${prefix}prompt`, rows: 3, placeholder: "What shall the pictures show?" });
    this.examples = make("select", { id: `${prefix}examples` });
    this.chip = this.noiseChip(prefix);
    this.notice = make("p", { class: "notice", id: `${prefix}notice`, role: "status", hidden: true });
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.enter(event, onStart));
    this.examples.addEventListener("change", () => this.choose(onExample));
    this.exampleField = field("Examples from the held-out data", this.examples);
    this.element = make("div", {}, field("Prompt", this.input), this.chip, this.notice, this.exampleField);
    this.offer(null);
  }

  noiseChip(prefix) {
    this.chipWords = make("span");
    const remove = button("×", () => this.dropNoise(), { "aria-label": "Remove the noise of the evaluation" });
    return make("span", { class: "chip", id: `${prefix}noise`, hidden: true }, this.chipWords, remove);
  }

  /** Enter starts, Shift+Enter is a new line; while an input method composes, Enter is its own. */
  enter(event, onStart) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    onStart();
  }

  typed() {
    this.own = true;
    this.examples.value = "";
    this.say(null);
    if (this.noise) this.dropNoise();
  }

  choose(onExample) {
    const example = this.list[Number(this.examples.value)];
    if (this.examples.value !== "" && example) onExample(example);
  }

  set(text) {
    this.input.value = text;
    this.own = false;
  }

  /** `seed` is told with the noise: only both together give the evaluation's own picture. */
  setNoise(noise, seed) {
    this.noise = noise;
    this.chip.hidden = noise === null;
    this.chipWords.textContent = noise ? `noise of the evaluation, seed ${seed}` : "";
  }

  dropNoise() {
    if (!this.noise) return;
    this.setNoise(null);
    this.onNoiseGone();
  }

  say(words, undo = null) {
    this.notice.hidden = words === null;
    this.notice.replaceChildren(words ?? "");
    if (undo) this.notice.append(" ", button("Undo", undo, { class: "link undo" }));
  }

  /** Prompts of `run` (a model), or none. Answers that come late for another run are dropped. */
  async offer(run) {
    const id = run?.run ?? null;
    if (id === this.run && this.list.length) return;
    this.run = id;
    this.show([], id ? "asking for examples" : "choose a run to see examples");
    if (!id) return;
    const answer = await api.prompts(id).catch((error) => ({ prompts: [], failed: error.message }));
    if (this.run !== id) return;
    const found = answer.prompts.length;
    this.show(answer.prompts, found ? `choose one of ${found}` : answer.failed ?? "this run has none");
  }

  show(prompts, words) {
    this.list = prompts;
    choices(this.examples, [["", words], ...prompts.map((one, index) => [String(index), one.prompt])]);
    this.examples.disabled = prompts.length === 0;
  }
}

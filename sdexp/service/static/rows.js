// The view of what changes with the strength of adapters, or with the steps of training.

import { api } from "./api.js";
import { catalog } from "./catalog.js";
import { make } from "./dom.js";
import { field } from "./fields.js";
import { Form } from "./form.js";
import { Panel } from "./panel.js";
import { lineChart } from "./charts.js";
import { Picture } from "./picture.js";
import { STRENGTHS, strengthPlan, stepsPlan, whyNot } from "./plans.js";
import { RunChoice } from "./run_choice.js";

const NAMES = ["num_inference_steps", "guidance_scale", "width", "height", "num_images"];
const SCORES = [["CLIP score", "clip_score"], ["drift (lpips_drift)", "drift"]];
const KINDS = [["strength", "LoRA strength"], ["steps", "Steps of training"]];

export class Rows {
  constructor(root, { onChosen }) {
    this.root = root;
    this.kinds = this.kindChoice();
    this.form = new Form("rows-", {
      names: NAMES,
      makeChooser: (prefix, options) => new RunChoice(prefix, options),
      onStart: () => this.start(),
      onChosen: (chosen) => {
        onChosen(chosen);
        this.explain();
      },
    });
    this.panel = new Panel("rows-", {
      words: "Show the rows",
      send: api.generate,
      labelOf: (id) => catalog.labelOf(id),
      onStart: () => this.start(),
      onJob: (job) => this.show(job),
      area: () => this.right,
    });
    this.strengths = make("input",
      { type: "text", id: "rows-strengths", value: STRENGTHS, autocomplete: "off", spellcheck: "false" });
    this.strengthField = field("Strengths, 0 is the original", this.strengths);
    this.why = make("p", { id: "rows-why", class: "notice", role: "status", hidden: true });
    this.form.chooser.element.after(this.kinds, this.strengthField, this.why);
    root.append(this.columns());
    this.explain();
  }

  kindChoice() {
    const on = { change: () => this.explain() };
    const option = ([value, words]) => make("label", {},
      make("input", { type: "radio", name: "rows-kind", value, checked: value === "strength", on }),
      make("span", { text: words }));
    return make("fieldset", { id: "rows-kind", class: "switch" },
      make("legend", { class: "unseen", text: "What changes" }), ...KINDS.map(option));
  }

  columns() {
    const card = make("section", { class: "card controls" }, make("h1", { text: "Strength & steps" }),
      this.form.element, this.panel.actions);
    this.results = make("div", { id: "rows-results" });
    this.count = make("p", { id: "rows-count", class: "soft small" });
    this.box = make("section", { class: "card", "aria-label": "Rows", hidden: true }, this.results);
    const progress = make("section", { class: "card", "aria-label": "Progress" }, this.panel.element, this.count);
    this.right = make("div", { class: "right" }, progress, this.box);
    return make("div", { class: "columns" }, card, this.right);
  }

  get kind() {
    return this.kinds.querySelector("input:checked").value;
  }

  get run() {
    return catalog.find(this.form.chooser.ids()[0]);
  }

  explain() {
    if (!this.why) return;
    const words = whyNot(this.kind, this.run);
    this.why.hidden = words === null || !catalog.loaded;
    this.why.textContent = words ?? "";
    this.strengthField.hidden = this.kind !== "strength" || words !== null;
    if (!this.panel.running) this.panel.start.disabled = words !== null;
  }

  begin() {}

  route() {}

  plan() {
    const request = this.form.request();
    if (this.kind === "steps") return stepsPlan(request, this.run);
    return strengthPlan(request, this.run, this.strengths.value);
  }

  async start() {
    if (this.panel.running || this.panel.start.disabled) return;
    try {
      const plan = this.plan();
      this.results.replaceChildren();
      this.cells = new Map();
      await this.work(plan, 0, null);
    } catch (error) {
      this.panel.fail(error, () => this.start());
    }
    this.explain();
  }

  /** One job after the other; the seed that the first one drew is that of all. */
  async work(plan, first, drawn) {
    let seed = drawn;
    this.allColumns = plan.flatMap((part) => part.columns.map((column) => column[1]));
    for (let index = first; index < plan.length; index += 1) {
      const { request, columns } = plan[index];
      this.columnOf = new Map(columns.map(([model, column]) => [model, column]));
      this.count.textContent = plan.length > 1 ? `part ${index + 1} of ${plan.length}` : "";
      const again = () => this.work(plan, index, seed);
      const job = await this.panel.run({ ...request, seed: seed ?? request.seed }, again);
      if (job?.status !== "finished") break;
      seed = job.recipe.seed;
      if (index + 1 === plan.length) this.finished(plan);
    }
    this.explain();
  }

  finished(plan) {
    this.count.textContent = plan.length > 1 ? `All ${plan.length} parts are done.` : "";
    const across = this.kind === "strength" ? "strength" : "step";
    const curves = SCORES.map(([name, key]) => ({ name, points: this.means(plan, key) }));
    const known = curves.filter((curve) => curve.points.length > 1);
    this.charts.replaceChildren(...known.map((curve) => lineChart(curve, across)));
  }

  /** The mean of a score over the seeds, for each column that has it. */
  means(plan, key) {
    return plan.flatMap((part) => part.columns).flatMap(([, column, place]) => {
      const cells = [...this.cells.values()].filter((cell) => cell.model === column);
      const values = cells.map((cell) => cell.picture?.[key]).filter((value) => typeof value === "number");
      return values.length ? [[place, values.reduce((sum, value) => sum + value, 0) / values.length]] : [];
    });
  }

  show(job) {
    const { recipe } = job;
    this.form.seed.show(recipe.seed);
    if (this.cells.size === 0) this.place(recipe);
    for (const picture of job.pictures) {
      const column = this.columnOf.get(picture.model);
      this.cells.get(`${picture.seed} ${column}`)?.show(picture, job.judges);
    }
  }

  place({ prompt, seed, num_images: rows = 1 }) {
    this.box.hidden = false;
    const title = make("h2", { text: prompt || "(empty prompt)" });
    this.charts = make("div", { class: "charts" });
    const seeds = Array.from({ length: rows }, (_, index) => seed + index);
    this.results.replaceChildren(title, ...seeds.map((one) => this.row(one)), this.charts);
  }

  row(seed) {
    const cells = this.allColumns.map((column) => {
      const cell = new Picture(column, seed, column);
      this.cells.set(`${seed} ${column}`, cell);
      return cell.element;
    });
    const row = make("div", { class: "beside steps" }, ...cells);
    row.style.setProperty("--columns", cells.length);
    return make("section", { class: "seed-row" }, make("h3", { text: `Seed ${seed}` }), row);
  }

  escape() {
    this.panel.cancel();
  }
}

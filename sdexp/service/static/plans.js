// Which jobs a row of pictures needs. A column is [model, words, place on the axis].

import { catalog } from "./catalog.js";
import { FieldError } from "./fields.js";
import { number } from "./words.js";

export const STRENGTHS = "0, 0.25, 0.5, 0.75, 1, 1.5";

function strengthsOf(text) {
  const values = text.split(/[\s,;]+/).filter(Boolean).map(Number);
  const most = catalog.limits.max_lora_scale ?? Infinity;
  if (values.length === 0) throw new FieldError("Strengths: write at least one number.");
  const wrong = values.find((value) => !(value >= 0 && value <= most));
  if (wrong !== undefined) throw new FieldError(`Strengths: numbers from 0 to ${most}, parted by commas.`);
  return [...new Set(values)];
}

/** Every default of the run is written out: strength 0 asks its original, whose own defaults may differ. */
function settled(request, run) {
  const standard = { ...run.defaults, width: run.side, height: run.side, num_images: 1 };
  const filled = Object.fromEntries(Object.entries(standard).map(([name, value]) => [name, request[name] ?? value]));
  return { ...request, ...filled };
}

function strengthJob(request, run, strength) {
  const column = `strength ${number(strength).replace(/\.?0+$/, "")}`;
  if (strength === 0) {
    const columns = [[run.original, `${column}, original`, 0]];
    return { request: { ...request, models: [run.original] }, columns };
  }
  const models = [run.original, run.id];
  return { request: { ...request, models, lora_scale: strength }, columns: [[run.id, column, strength]] };
}

export function strengthPlan(request, run, text) {
  return strengthsOf(text).map((strength) => strengthJob(settled(request, run), run, strength));
}

/** Spread evenly where there are more than one job may have; first and last always stay. */
function thinned(items, most) {
  if (items.length <= most) return items;
  const at = (index) => Math.round((index * (items.length - 1)) / Math.max(most - 1, 1));
  return Array.from({ length: most }, (_, index) => items[at(index)]);
}

function checkpointsOf(run) {
  const usable = catalog.partsOf(run.id, "checkpoint").filter((model) => model.state !== "refused");
  return usable.sort((a, b) => a.steps - b.steps);
}

export function stepsPlan(request, run) {
  const between = thinned(checkpointsOf(run), (catalog.limits.max_models ?? 8) - 2);
  const columns = [
    [run.original, "original", 0],
    ...between.map((model) => [model.id, `step ${model.steps}`, model.steps]),
    [run.id, run.steps === null ? "final" : `final, step ${run.steps}`, run.steps],
  ];
  return [{ request: { ...settled(request, run), models: columns.map(([id]) => id) }, columns }];
}

/** null where there is something to show, else the one sentence that says why not. */
export function whyNot(kind, run) {
  if (!run) return "There is no run yet that could be shown here.";
  if (kind === "strength" && !run.has_strength) {
    return "This run trained no adapters, so there is no strength to turn: its weights are either loaded or not.";
  }
  if (kind === "steps" && checkpointsOf(run).length === 0) {
    return "This run kept no checkpoints, so there is nothing between the original and the final weights.";
  }
  return null;
}

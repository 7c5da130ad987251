// One run from a list: answers a form like the checkboxes do.

import { make } from "./dom.js";
import { choices, field } from "./fields.js";

export class RunChoice {
  constructor(prefix, { onChange }) {
    this.onChange = onChange;
    this.select = make("select", { id: `${prefix}run` });
    this.select.addEventListener("change", () => onChange());
    this.element = field("Run", this.select);
  }

  /** Refused runs stay in the list, with the reason, and cannot be chosen. */
  offer(models) {
    const runs = models.filter((model) => model.kind === "run");
    const words = (run) => `${run.label}, ${run.id}${run.refused ? ` (refused: ${run.refused})` : ""}`;
    choices(this.select, runs.length ? runs.map((run) => [run.id, words(run)]) : [["", "no run yet"]]);
    [...this.select.options].forEach((option, index) => {
      option.disabled = runs[index]?.state === "refused";
    });
    const usable = runs.find((run) => run.state !== "refused");
    if (this.select.selectedOptions[0]?.disabled) this.select.value = usable?.id ?? "";
  }

  ids() {
    return this.select.value ? [this.select.value] : [];
  }

  choose(ids) {
    const usable = [...this.select.options].filter((option) => !option.disabled).map((option) => option.value);
    const known = ids.filter((id) => usable.includes(id));
    if (known.length) this.select.value = known[0];
    this.onChange();
    return ids.filter((id) => !known.includes(id));
  }
}

// The seed: drawn anew for each start, unless it is locked.

import { button, make } from "./dom.js";
import { field, FieldError, numberField, numberIn } from "./fields.js";

const LARGEST = 2 ** 31;

function drawn() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % LARGEST;
}

export class Seed {
  constructor(prefix, { onEdit }) {
    this.onEdit = onEdit;
    this.next = false;
    this.input = numberField(`${prefix}seed`, { min: 0, step: 1, placeholder: "drawn" });
    this.lock = make("input", { type: "checkbox", id: `${prefix}lock` });
    const words = { id: `${prefix}dice`, class: "quiet", title: "draw a seed now" };
    this.dice = button("Dice", () => this.throwDice(), words);
    this.input.addEventListener("input", () => this.typed());
    this.lock.addEventListener("change", () => this.lock.checked || this.onEdit());
    const locked = make("label", { class: "check", title: "keep this seed for the next start" }, this.lock, "lock");
    this.element = field("Seed", this.input);
    this.element.classList.add("seed");
    this.element.append(this.dice, locked);
  }

  /** What was typed shall be used: so it is locked, for all to see. */
  typed() {
    this.lock.checked = this.input.value !== "";
    this.onEdit();
  }

  throwDice() {
    this.input.value = drawn();
    this.next = true;
    this.onEdit();
  }

  /** null: the server draws one. */
  forStart() {
    const seed = numberIn(this.input, "Seed");
    if (seed !== null && !Number.isSafeInteger(seed)) throw new FieldError("Seed: write a whole number below 2^53.");
    const kept = this.lock.checked || this.next;
    return kept ? seed : null;
  }

  show(seed) {
    this.input.value = seed;
    this.next = false;
  }

  snapshot() {
    return { seed: this.input.value, locked: this.lock.checked };
  }

  restore({ seed, locked }) {
    this.input.value = seed ?? "";
    this.lock.checked = locked;
    this.next = false;
  }
}

// Two pictures over each other, and a line that moves between them.

import { button, make } from "./dom.js";
import { choices } from "./fields.js";
import { saveBlob, sideBySide } from "./downloads.js";
import { fileName } from "./words.js";

/** Where a pointer stands over `node`, from 0 to 100. */
function shareAt(event, node) {
  const box = node.getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  return Math.round(100 * Math.min(Math.max(share, 0), 1));
}

export class Slider {
  /** `pair`: {left, right} of model ids, shared by all rows of a result. */
  constructor({ seed, labelOf, pair, onPair }) {
    this.seed = seed;
    this.labelOf = labelOf;
    this.pair = pair;
    this.pictures = new Map();
    this.under = make("img", { alt: "", draggable: "false" });
    this.over = make("img", { alt: "", class: "over", draggable: "false" });
    this.leftName = make("span", { class: "corner" });
    this.rightName = make("span", { class: "corner" });
    this.range = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50 });
    this.line = make("span", { class: "divider" });
    const left = make("div", { class: "names left" }, this.leftName);
    const right = make("div", { class: "names right" }, this.rightName);
    this.stage = make("div", { class: "stage" }, this.under, this.over, left, right, this.line, this.range);
    this.element = make("div", { class: "pair-slider" }, this.stage, this.controls(onPair));
    this.wire();
  }

  controls(onPair) {
    const select = (side, words) => make("select", {
      "aria-label": words,
      on: { change: (event) => onPair({ ...this.pair, [side]: event.target.value }) },
    });
    this.left = select("left", "Model on the left of the slider");
    this.right = select("right", "Model on the right of the slider");
    const save = button("Download pair", () => this.save(),
      { class: "download-pair quiet", title: "both pictures side by side, one PNG" });
    return make("div", { class: "pair" }, this.left, this.right, save);
  }

  /** By pointer events of our own: not every browser lets a finger set a range by a touch of its track. */
  wire() {
    const follow = (event) => {
      this.range.value = shareAt(event, this.stage);
      this.move();
    };
    this.range.addEventListener("input", () => this.move());
    this.range.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.range.focus({ preventScroll: true });
      this.range.setPointerCapture(event.pointerId);
      follow(event);
    });
    this.range.addEventListener("pointermove", (event) => {
      if (this.range.hasPointerCapture(event.pointerId)) follow(event);
    });
  }

  move() {
    const { value } = this.range;
    this.stage.style.setProperty("--cut", `${value}%`);
    const names = [this.labelOf(this.pair.left), this.labelOf(this.pair.right)];
    this.range.setAttribute("aria-valuetext", `${value} % ${names[0]}, ${100 - value} % ${names[1]}`);
  }

  add(picture) {
    if (this.pictures.has(picture.model)) return;
    this.pictures.set(picture.model, picture);
    this.stage.style.aspectRatio = `${picture.width} / ${picture.height}`;
    this.stage.classList.toggle("smooth", Math.max(picture.width, picture.height) >= 256);
    this.choose(this.pair);
  }

  choose(pair) {
    this.pair = pair;
    const options = [...this.pictures.keys()].map((id) => [id, this.labelOf(id)]);
    for (const [side, select] of [["left", this.left], ["right", this.right]]) {
      choices(select, options);
      select.value = pair[side];
    }
    this.element.hidden = !this.shown();
    if (this.shown()) this.show();
  }

  shown() {
    return this.pictures.has(this.pair.left) && this.pictures.has(this.pair.right);
  }

  show() {
    const [left, right] = [this.labelOf(this.pair.left), this.labelOf(this.pair.right)];
    this.under.src = this.pictures.get(this.pair.left).url;
    this.over.src = this.pictures.get(this.pair.right).url;
    this.under.alt = `${left}, seed ${this.seed}`;
    this.over.alt = `${right}, seed ${this.seed}`;
    this.leftName.textContent = left;
    this.rightName.textContent = right;
    this.range.setAttribute("aria-label", `Slider between ${left} and ${right}, seed ${this.seed}`);
    this.move();
  }

  async save() {
    const blob = await sideBySide([this.under, this.over]);
    saveBlob(blob, fileName(this.pair.left, this.pair.right, `seed-${this.seed}.png`));
  }
}

// The last recipes with small pictures and scores, in this browser only.

import { button, make } from "./dom.js";
import { thumbnail } from "./downloads.js";
import { recipeHash } from "./recipe.js";
import { readLasting, writeLasting } from "./storage.js";
import { number, when } from "./words.js";

const KEY = "sdexp.history";
const KEPT = 50;
const SIDE = 64;
const PICTURES = 4;

/** Pictures of the first seed, as small as a list needs them. */
async function entryOf(job, labelOf) {
  const first = job.pictures.filter((picture) => picture.seed === job.recipe.seed).slice(0, PICTURES);
  const pictures = await Promise.all(first.map(async (picture) => ({
    image: await thumbnail(picture.url, SIDE),
    label: labelOf(picture.model),
    clip_score: picture.clip_score,
    drift: picture.drift,
  })));
  return { key: recipeHash(job.recipe), time: new Date().toISOString(), recipe: job.recipe, pictures };
}

/** A full store forgets its oldest. */
function store(entries) {
  const kept = entries.slice(0, KEPT);
  while (!writeLasting(KEY, kept) && kept.length > 1) kept.pop();
  return kept;
}

function scoreWords(pictures) {
  const scores = pictures.filter((picture) => picture.clip_score !== null).map((picture) => number(picture.clip_score));
  const drifts = pictures.filter((picture) => picture.drift !== null).map((picture) => number(picture.drift));
  const words = [];
  if (scores.length) words.push(`CLIP ${scores.join(" → ")}`);
  if (drifts.length) words.push(`drift ${drifts.join(", ")}`);
  return words.join(" · ");
}

export class History {
  constructor(element, { labelOf, onOpen }) {
    this.labelOf = labelOf;
    this.onOpen = onOpen;
    this.list = make("ul", { class: "entries", id: "history", tabindex: "-1" });
    this.clearButton = button("Clear history", () => this.clear(), { id: "history-clear", class: "link" });
    this.notice = make("p", { class: "notice", role: "status", hidden: true });
    const head = make("div", { class: "head" }, make("h2", { text: "History" }), this.clearButton);
    element.append(head, this.notice, this.list);
    this.draw();
  }

  entries() {
    const entries = readLasting(KEY, []);
    return Array.isArray(entries) ? entries.filter((entry) => Array.isArray(entry?.recipe?.models)) : [];
  }

  async add(job) {
    const entry = await entryOf(job, this.labelOf).catch(() => null);
    if (!entry) return;
    store([entry, ...this.entries().filter((one) => one.key !== entry.key)]);
    this.say(null);
    this.draw();
  }

  draw() {
    const entries = this.entries();
    this.clearButton.hidden = entries.length === 0;
    const empty = make("li",
      { class: "soft small", text: "What you generate is listed here, in this browser only." });
    this.list.replaceChildren(...(entries.length ? entries.map((entry) => this.item(entry)) : [empty]));
  }

  item(entry) {
    const { recipe } = entry;
    const images = entry.pictures.map((picture) => make("img", { src: picture.image, alt: picture.label }));
    const words = [`seed ${recipe.seed}`, `${recipe.num_inference_steps} steps`, recipe.sampler];
    const models = recipe.models.map((model) => this.labelOf(model)).join(" | ");
    const more = `guidance ${recipe.guidance_scale}, ${recipe.width} × ${recipe.height}`;
    const title = [when(entry.time), models, more].join("\n");
    const open = button("", () => this.onOpen(recipe), { class: "history-open", title });
    open.append(
      make("span", { class: "thumbs" }, ...images),
      make("span", { class: "words" },
        make("strong", { text: recipe.prompt || "(empty prompt)" }),
        make("span", { text: words.join(" · ") }),
        make("span", { text: scoreWords(entry.pictures) })));
    const label = `Remove from history: ${recipe.prompt}`;
    const remove = button("×", () => this.remove(entry.key), { class: "history-remove", "aria-label": label });
    return make("li", { class: "history-entry", data: { key: entry.key } }, open, remove);
  }

  remove(key) {
    store(this.entries().filter((entry) => entry.key !== key));
    this.draw();
    (this.list.querySelector("button") ?? this.list).focus();
  }

  clear() {
    const before = this.entries();
    store([]);
    this.draw();
    this.say("History cleared.", () => {
      store(before);
      this.say(null);
      this.draw();
    });
  }

  say(words, undo = null) {
    this.notice.hidden = words === null;
    this.notice.replaceChildren(words ?? "");
    if (undo) this.notice.append(" ", button("Undo", undo, { class: "link undo" }));
  }
}

// One picture with what is known of it.

import { make } from "./dom.js";
import { fileName, number } from "./words.js";

function fact(name, value, title) {
  return make("div", { title }, make("dt", { text: name }), make("dd", { text: value }));
}

function facts(picture, judges) {
  const list = make("dl", { class: "facts" });
  if (picture.clip_score !== null) list.append(fact("CLIP score", number(picture.clip_score), judges?.clip_score));
  if (picture.drift !== null) list.append(fact("drift", number(picture.drift), `lpips_drift, ${judges?.drift}`));
  return list;
}

function withheldNote(picture) {
  if (!picture.withheld) return null;
  return make("p", { class: "note withheld", text: "withheld: the safety checker blackened this picture" });
}

/** Identical pictures say that the finetuning had no effect here: worth a colour. */
function note(picture) {
  if (picture.differs === null || picture.differs === undefined) return null;
  const words = picture.differs ? "pictures differ" : "identical pictures";
  return make("p", { class: picture.differs ? "note soft" : "note identical", text: words });
}

export class Picture {
  constructor(model, seed, label) {
    this.model = model;
    this.seed = seed;
    this.label = label;
    this.frame = make("div", { class: "frame" });
    this.caption = make("figcaption", {}, make("span", { class: "name", text: label }));
    this.element = make("figure", { class: "result", data: { model, seed, state: "waiting" } }, this.frame,
      this.caption);
  }

  /** Called at each change of the job: scores come later than pictures. */
  show(picture, judges) {
    this.picture = picture;
    if (this.element.dataset.state === "waiting") this.place(picture);
    const name = make("span", { class: "name", text: this.label });
    const parts = [name, withheldNote(picture), facts(picture, judges), note(picture)];
    const text = JSON.stringify([picture.withheld, picture.clip_score, picture.drift, picture.differs]);
    if (this.shown === text) return;
    this.shown = text;
    this.caption.replaceChildren(...parts.filter(Boolean), this.download);
  }

  place(picture) {
    this.element.dataset.state = "shown";
    const words = `${this.label}, seed ${this.seed}`;
    const image = make("img", { src: picture.url, alt: words, width: picture.width, height: picture.height });
    const name = fileName(this.model, `seed-${this.seed}.png`);
    const large = Math.max(picture.width, picture.height) >= 256;
    image.classList.toggle("smooth", large);
    this.frame.style.aspectRatio = `${picture.width} / ${picture.height}`;
    this.frame.replaceChildren(image);
    this.download = make("a", {
      class: "download-picture",
      href: picture.url,
      download: name,
      text: "Download",
      "aria-label": `Download picture: ${words}`,
    });
  }
}

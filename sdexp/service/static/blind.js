// The blind test: two pictures of one prompt, and the question which one is better.

import { api, ApiError } from "./api.js";
import { catalog } from "./catalog.js";
import { button, isField, make } from "./dom.js";
import { field, numberField } from "./fields.js";
import { RunChoice } from "./run_choice.js";
import { tally } from "./tally.js";
import { count } from "./words.js";

const KEYS = { 1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", 0: "same", ArrowDown: "same" };
const KEY_WORDS = "Keys: 1 or ← for A, 2 or → for B, 0 or ↓ for same, Enter for next.";
const LETTER = { left: "A", right: "B" };
const KEPT = "The votes are kept in votes.jsonl in the run folder, and in its report.";

function mineWords({ finetuned, original, same }) {
  const times = [finetuned, original, same].map((amount) => count(amount, "time"));
  return `This time you chose the finetuned ${times[0]}, the original ${times[1]}, and saw no difference ${times[2]}.`;
}

export class Blind {
  constructor(root, { onChosen }) {
    this.root = root;
    this.state = "idle";
    this.choice = new RunChoice("blind-", { onChange: () => onChosen(this.chosen()) });
    this.pairs = numberField("blind-pairs", { min: 1, max: 100, step: 1, value: 10 });
    this.startButton = button("Start", () => this.start(), { id: "blind-start", class: "primary" });
    this.error = make("div", { id: "blind-error", class: "error", hidden: true });
    this.status = make("p", { id: "blind-status", role: "status", class: "soft" });
    this.stage = this.makeStage();
    this.end = make("section", { class: "card", id: "blind-end", hidden: true, tabindex: "-1" });
    root.append(this.setup(), this.stage, this.end);
    catalog.onChange(() => {
      this.choice.offer(catalog.models);
      onChosen(this.chosen());
    });
  }

  chosen() {
    return this.choice.ids().map((id) => catalog.find(id));
  }

  setup() {
    const words = "Two pictures of one held-out prompt, from the same noise; which is which is told after your vote.";
    const form = make("div", { class: "inline" }, this.choice.element, field("Pairs", this.pairs), this.startButton);
    return make("section", { class: "card" }, make("h1", { text: "Blind test" }),
      make("p", { class: "soft small", text: words }), form, this.error, this.status);
  }

  makeStage() {
    this.counter = make("p", { class: "soft small", id: "blind-counter" });
    this.prompt = make("h2", { id: "blind-prompt" });
    this.sides = { left: this.side("left"), right: this.side("right") };
    const same = button("Same (0)", () => this.vote("same"), { id: "blind-vote-same", class: "quiet" });
    this.next = button("Next", () => this.advance(), { id: "blind-next", class: "primary", hidden: true });
    this.was = make("p", { id: "blind-was", role: "status" });
    this.tally = make("div", { id: "blind-tally" });
    this.same = same;
    const keys = make("p", { class: "soft small", text: KEY_WORDS });
    const pair = make("div", { class: "blind-pair" }, this.sides.left.element, this.sides.right.element);
    const foot = make("div", { class: "blind-foot" }, same, this.next, this.was);
    return make("section", { class: "card", id: "blind-stage", hidden: true }, this.counter, this.prompt,
      pair, foot, this.tally, keys);
  }

  side(side) {
    const image = make("img", { id: `blind-${side}`, alt: `Picture ${LETTER[side]}` });
    image.addEventListener("load", () => image.classList.toggle("smooth", image.naturalWidth >= 256));
    image.addEventListener("error", () => this.missing(side));
    const words = `${LETTER[side]} is better (${side === "left" ? 1 : 2})`;
    const vote = button(words, () => this.vote(side), { id: `blind-vote-${side}`, class: "quiet" });
    const name = make("figcaption", { class: "name" });
    const element = make("figure", { data: { side } }, make("div", { class: "frame" }, image), name, vote);
    return { element, image, name, vote };
  }

  begin() {}

  /** `#blind/<run>` chooses the run. */
  route({ rest }) {
    if (rest && this.state === "idle") this.choice.choose([rest]);
  }

  async start() {
    const run = this.choice.ids()[0];
    if (!run || this.state === "asking") return;
    this.state = "asking";
    this.status.textContent = "Drawing the pairs.";
    this.error.hidden = true;
    this.end.hidden = true;
    this.startButton.disabled = true;
    try {
      const answer = await api.blind(run, Number(this.pairs.value) || 10);
      this.open(run, answer);
    } catch (error) {
      this.fail(error, () => this.start());
    }
    this.startButton.disabled = false;
  }

  open(run, { pairs, votes }) {
    this.run = run;
    this.list = pairs;
    this.place = 0;
    this.mine = { left: 0, right: 0, same: 0, finetuned: 0, original: 0 };
    this.votes = votes;
    this.status.textContent = "";
    if (pairs.length === 0) return this.close();
    return this.show();
  }

  show() {
    const pair = this.list[this.place];
    this.state = "voting";
    this.stage.hidden = false;
    this.counter.textContent = `Pair ${this.place + 1} of ${this.list.length}`;
    this.prompt.textContent = pair.prompt;
    this.was.textContent = "";
    this.tally.replaceChildren();
    for (const [side, { image, name, vote, element }] of Object.entries(this.sides)) {
      image.src = pair[side];
      name.textContent = `Picture ${LETTER[side]}`;
      vote.disabled = false;
      delete element.dataset.chosen;
    }
    this.same.disabled = false;
    this.next.hidden = true;
    this.sides.left.vote.focus({ preventScroll: true });
  }

  missing(side) {
    if (this.state === "voting") this.was.textContent = `Picture ${LETTER[side]} cannot be shown; please start again.`;
  }

  async vote(choice) {
    if (this.state !== "voting") return;
    this.state = "sending";
    this.error.hidden = true;
    const { pair } = this.list[this.place];
    try {
      this.tell(choice, await api.vote(pair, choice));
    } catch (error) {
      this.state = "voting";
      if (error.status === 409) this.tellVoted(error);
      else this.fail(error, () => this.vote(choice));
    }
  }

  tell(choice, { was, votes }) {
    this.state = "told";
    this.votes = votes;
    this.mine[choice === "same" ? "same" : was[choice]] += 1;
    const words = choice === "same" ? "You saw no difference." : `You chose ${LETTER[choice]}.`;
    this.was.textContent = `A was ${was.left}, B was ${was.right}. ${words}`;
    for (const side of ["left", "right"]) this.sides[side].name.textContent = `Picture ${LETTER[side]}: ${was[side]}`;
    if (choice !== "same") this.sides[choice].element.dataset.chosen = "";
    this.tally.replaceChildren(tally(votes));
    this.offerNext();
  }

  tellVoted(error) {
    this.state = "told";
    this.was.textContent = error.message;
    this.offerNext();
  }

  offerNext() {
    for (const { vote } of Object.values(this.sides)) vote.disabled = true;
    this.same.disabled = true;
    this.next.hidden = false;
    this.next.textContent = this.place + 1 < this.list.length ? "Next" : "Finish";
    this.next.focus({ preventScroll: true });
  }

  advance() {
    this.place += 1;
    if (this.place < this.list.length) this.show();
    else this.close();
  }

  close() {
    this.state = "idle";
    this.stage.hidden = true;
    this.end.hidden = false;
    const words = this.list.length ? mineWords(this.mine) : "This run has no pair left to vote on.";
    const report = make("a", { href: `#runs/${encodeURIComponent(this.run)}`, text: "Open the report" });
    this.end.replaceChildren(make("h2", { text: "Thank you" }), make("p", { text: words }),
      make("h3", { text: "All votes on this run" }), tally(this.votes),
      make("p", { class: "soft small", text: KEPT }), report);
    this.end.focus({ preventScroll: true });
  }

  fail(error, again) {
    if (!(error instanceof ApiError)) throw error;
    if (this.state === "asking") this.state = "idle";
    this.status.textContent = "";
    const wait = error.retryAfter ? ` Please wait ${error.retryAfter} seconds.` : "";
    this.error.hidden = false;
    const retry = button("Try again", again, { class: "quiet", id: "blind-retry", hidden: error.status === 409 });
    this.error.replaceChildren(make("p", { role: "alert", text: error.message + wait }), retry);
  }

  /** The keys of the view, unless they belong to a field. */
  key(event) {
    if (isField(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = this.state === "voting" && KEYS[event.key];
    const onward = this.state === "told" && event.key === "Enter" && !event.target.matches("a, button");
    if (choice || onward) event.preventDefault();
    if (choice) this.vote(choice);
    if (onward) this.advance();
  }

  escape() {}
}

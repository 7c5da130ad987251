// The line at the top: is the server ready, is there a safety checker, what is loaded.

import { api, silence } from "./api.js";
import { catalog } from "./catalog.js";
import { make } from "./dom.js";

const SOON = 3000;
const LATER = 15_000;
const GONE = "server gone or starting again, asking every 3 seconds";

export class Topline {
  constructor() {
    this.ready = document.getElementById("ready");
    this.safety = document.getElementById("safety");
    this.badge = document.getElementById("badge");
    this.last = "";
    this.safety.hidden = true;
    catalog.onChange(() => this.showSafety());
    silence.addEventListener("silence", () => this.doubt());
    document.addEventListener("visibilitychange", () => this.wake());
  }

  showSafety() {
    const { safety } = catalog;
    this.safety.hidden = safety === undefined;
    this.safety.textContent = safety ? `safety checker on: ${safety}` : "safety checker off";
  }

  showChosen(models) {
    const known = models.filter(Boolean);
    const badges = known.map((model) => make("span", { text: model.badge || model.label, title: model.id }));
    this.badge.replaceChildren(...badges);
  }

  say(state, words) {
    this.ready.dataset.state = state;
    if (this.ready.textContent !== words) this.ready.textContent = words;
  }

  /** Another question went unanswered: no need to wait for the next one here. */
  doubt() {
    if (this.ready.dataset.state !== "ready") return;
    this.say("gone", GONE);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), SOON);
  }

  wake() {
    if (document.hidden) return;
    clearTimeout(this.timer);
    this.poll();
  }

  async poll() {
    const settled = await this.ask();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), settled ? LATER : SOON);
  }

  /** Asks for the models again whenever the answer is another one, or the first after a silence. */
  async ask() {
    try {
      const answer = await api.ready();
      const text = JSON.stringify([answer.ready, answer.proved, answer.found]);
      if (text !== this.last || !catalog.loaded) await catalog.refresh();
      this.last = text;
      const queue = answer.waiting ? `, ${answer.waiting} waiting` : "";
      this.say(answer.ready ? "ready" : "waiting", `${answer.ready ? "ready" : "not ready"}: ${answer.detail}${queue}`);
      return answer.ready && answer.proved === answer.found;
    } catch (error) {
      this.last = "";
      const gone = error.status === 0;
      this.say(gone ? "gone" : "waiting", gone ? GONE : `not ready: ${error.message}`);
      return false;
    }
  }
}

// A run's report in place. The server's policy lets no script run in it but the one of our reports.

import { api } from "./api.js";
import { make } from "./dom.js";

const ALLOWED = "allow-scripts allow-same-origin allow-downloads";

export class Report {
  constructor() {
    this.shown = null;
    this.title = make("h1", { tabindex: "-1" });
    this.closer = make("a", { href: "#runs", id: "report-close", class: "quiet", text: "Close" });
    this.tab = make("a", { id: "report-tab", class: "quiet", target: "_blank", text: "Own tab" });
    this.tab.setAttribute("aria-label", "Open the report in a tab of its own");
    const buttons = make("div", { class: "buttons" }, this.tab, this.closer);
    const head = make("div", { class: "head" }, this.title, buttons);
    this.box = make("div", { class: "report" });
    this.element = make("section", { class: "card", "aria-label": "Report", hidden: true }, head, this.box);
  }

  /** Its policy lets only its own script run; that asks for the pictures, which only this origin may have. */
  open(run, title) {
    this.title.textContent = title;
    this.element.hidden = false;
    if (this.shown === run) return;
    this.shown = run;
    const frame = make("iframe", { id: "report-frame", sandbox: ALLOWED, title: `Report of ${title}` });
    frame.src = api.reportOf(run);
    this.tab.href = frame.src;
    this.box.replaceChildren(frame);
    this.title.focus({ preventScroll: true });
  }

  close() {
    const run = this.shown;
    this.shown = null;
    this.element.hidden = true;
    this.box.replaceChildren();
    return run;
  }
}

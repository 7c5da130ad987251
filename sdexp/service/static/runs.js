// The table of runs: to be sorted, opened, and read as a report.

import { api } from "./api.js";
import { button, make } from "./dom.js";
import { Report } from "./report.js";
import { runDetails } from "./run_details.js";
import { percent, interval, number, signed, verdictClass, when } from "./words.js";

const primaryOf = (run) => run.scores?.metrics?.[run.scores.primary] ?? null;

/** `value`: to sort by; `show`: [text, what stands below it]. */
const COLUMNS = [
  { name: "run", value: (run) => run.title, show: (run) => [run.title] },
  { name: "data", value: (run) => run.data, show: (run) => [run.data ?? "-"] },
  { name: "steps", value: (run) => run.steps, show: (run) => [run.steps ?? "-"] },
  { name: "started", value: (run) => run.started, show: (run) => [when(run.started)] },
  {
    name: "original → finetuned",
    value: (run) => primaryOf(run)?.finetuned,
    show: (run) => change(primaryOf(run), run.scores?.primary),
  },
  { name: "difference", value: (run) => primaryOf(run)?.difference, show: (run) => difference(primaryOf(run)) },
  { name: "verdict", value: (run) => run.scores?.verdict ?? run.status, show: (run) => [verdictBadge(run)] },
  { name: "votes", value: (run) => run.votes?.win_rate, show: (run) => votes(run.votes) },
];

function change(metric, name) {
  if (!metric) return ["-"];
  const values = `${number(metric.original)} → ${number(metric.finetuned)}`;
  return [values, `${name} ${metric.higher_is_better ? "↑" : "↓"}`];
}

function difference(metric) {
  return metric ? [signed(metric.difference), interval(metric.ci95, signed)] : ["-"];
}

function verdictBadge(run) {
  const words = run.scores?.verdict ?? run.status;
  return make("span", { class: `badge ${verdictClass(words)}`, text: words });
}

function votes(tally) {
  const total = tally ? tally.finetuned + tally.original + tally.same : 0;
  return total ? [`${percent(tally.win_rate)} of ${total}`, interval(tally.ci95, percent)] : ["-"];
}

/** What is not known comes last in both directions. */
function order(a, b, sign) {
  const known = (value) => value !== null && value !== undefined;
  if (known(a) !== known(b)) return known(a) ? -1 : 1;
  if (!known(a)) return 0;
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

export class Runs {
  constructor(root) {
    this.root = root;
    this.runs = [];
    this.opened = new Set();
    this.sorted = { column: 3, sign: -1 };
    this.report = new Report();
    this.status = make("p", { id: "runs-status", class: "soft", role: "status", text: "Asking for the runs." });
    this.order = make("select", { id: "runs-order", on: { change: () => this.pick() } });
    const sorting = make("label", { class: "phone" }, "Sorted by ", this.order);
    this.body = make("tbody");
    this.head = make("thead", {}, this.makeHead());
    const table = make("table", { id: "runs-table", class: "stack" }, this.head, this.body);
    this.list = make("section", { class: "card" }, make("h1", { text: "Runs" }), this.status, sorting,
      make("div", { class: "scroll" }, table));
    root.append(this.report.element, this.list);
  }

  makeHead() {
    COLUMNS.forEach(({ name }, index) => {
      this.order.append(new Option(`${name}, upwards`, `${index} 1`), new Option(`${name}, downwards`, `${index} -1`));
    });
    const heads = COLUMNS.map(({ name }, index) => make("th", { scope: "col" }, button(name, () => this.turn(index))));
    return make("tr", {}, ...heads);
  }

  turn(column) {
    const sign = this.sorted.column === column ? -this.sorted.sign : 1;
    this.sorted = { column, sign };
    this.draw();
  }

  pick() {
    const [column, sign] = this.order.value.split(" ").map(Number);
    this.sorted = { column, sign };
    this.draw();
  }

  begin() {}

  /** `#runs/<id>` opens the report of that run. */
  async route({ rest }) {
    await this.load();
    if (rest) this.report.open(rest, this.runs.find((run) => run.id === rest)?.title ?? rest);
    this.list.hidden = Boolean(rest);
    if (!rest) this.comeBack(this.report.close());
  }

  /** The keyboard goes on where it left the table for a report. */
  comeBack(run) {
    const row = [...this.body.rows].find((one) => run && one.dataset.run === run);
    row?.querySelector("button").focus();
  }

  async load() {
    try {
      const { runs } = await api.runs();
      if (JSON.stringify(runs) === JSON.stringify(this.runs)) return;
      this.runs = runs;
      this.status.textContent = runs.length ? "" : "No run yet. Train one, and it appears here.";
      this.draw();
    } catch (error) {
      this.status.textContent = error.message;
    }
  }

  draw() {
    const { column, sign } = this.sorted;
    const { value } = COLUMNS[column];
    [...this.head.rows[0].cells].forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    this.order.value = `${column} ${sign}`;
    const runs = [...this.runs].sort((a, b) => order(value(a), value(b), sign));
    this.body.replaceChildren(...runs.flatMap((run) => this.rowsOf(run)));
  }

  rowsOf(run) {
    const cells = COLUMNS.slice(1).map(({ name, show }) => {
      const [text, below] = show(run);
      return make("td", { "data-label": name }, text, below ? make("span", { class: "below", text: below }) : null);
    });
    const open = this.opened.has(run.id);
    const opener = button(run.title, (event) => this.toggle(run, event.currentTarget),
      { class: "opener", "aria-expanded": String(open) });
    const title = make("td", { class: "title" }, opener, make("span", { class: "below id", text: run.id }));
    const row = make("tr", { data: { run: run.id } }, title, ...cells);
    return open ? [row, this.detailsRow(run)] : [row];
  }

  detailsRow(run) {
    return make("tr", { class: "details" }, make("td", { colspan: COLUMNS.length }, runDetails(run)));
  }

  toggle(run, opener) {
    const row = opener.closest("tr");
    const open = !this.opened.has(run.id);
    opener.setAttribute("aria-expanded", String(open));
    if (open) {
      this.opened.add(run.id);
      row.after(this.detailsRow(run));
    } else {
      this.opened.delete(run.id);
      row.nextElementSibling.remove();
    }
  }

  escape() {
    if (this.report.shown) location.hash = "#runs";
  }
}

// What lies behind one line of the table of runs: all metrics, learning curves, ways on.

import { api } from "./api.js";
import { catalog } from "./catalog.js";
import { lineChart } from "./charts.js";
import { make } from "./dom.js";
import { tally } from "./tally.js";
import { duration, interval, number, signed, verdictClass } from "./words.js";

const HEADS = ["metric", "original", "finetuned", "difference", "verdict"];

function cell(label, text, below = null, properties = {}) {
  const part = below ? make("span", { class: "below", text: below }) : null;
  return make("td", { "data-label": label, ...properties }, text, part);
}

function metricRow(name, metric, primary) {
  const [sign, word] = metric.higher_is_better ? ["↑", "higher"] : ["↓", "lower"];
  const arrow = make("span", { class: "soft", text: ` ${sign}`, title: `${word} is better` });
  const about = [metric.unit, metric.backbone].filter(Boolean).join(", ");
  const first = make("td", {}, name, arrow, make("span", { class: "below", text: about }));
  return make("tr", { class: name === primary ? "primary" : null }, first,
    cell("original", number(metric.original)),
    cell("finetuned", number(metric.finetuned)),
    cell("difference", signed(metric.difference), interval(metric.ci95, signed)),
    cell("verdict", metric.verdict, null, { class: verdictClass(metric.verdict) }));
}

function metricsTable(scores) {
  const heads = make("tr", {}, ...HEADS.map((text) => make("th", { scope: "col", text })));
  const rows = Object.entries(scores.metrics).map(([name, metric]) => metricRow(name, metric, scores.primary));
  return make("table", { class: "stack metrics" }, make("thead", {}, heads), make("tbody", {}, ...rows));
}

function metrics(scores) {
  return [make("h3", { text: "Metrics" }), make("div", { class: "scroll" }, metricsTable(scores))];
}

async function showCurves(run, box) {
  const curves = await api.curves(run.id).then((answer) => answer.curves, (error) => error);
  if (curves instanceof Error) return box.replaceChildren(make("p", { class: "soft", text: curves.message }));
  if (curves.length === 0) return box.replaceChildren(make("p", { class: "soft", text: "This run wrote no curves." }));
  return box.replaceChildren(...curves.map((curve) => lineChart(curve)));
}

function ways(run) {
  const model = catalog.find(run.id);
  const usable = model && model.state !== "refused";
  const query = new URLSearchParams([["models", model?.original ?? ""], ["models", run.id]]);
  const line = make("p", { class: "ways" });
  const id = encodeURIComponent(run.id);
  if (run.has_report) {
    line.append(make("a", { class: "open-report", href: `#runs/${id}`, text: "Open report" }));
    line.append(make("a", { href: api.reportOf(run.id), target: "_blank", text: "Report in a tab of its own" }));
  }
  if (usable) line.append(make("a", { href: `#compare?${query}`, text: "Compare with the original" }));
  if (usable && run.scores) line.append(make("a", { href: `#blind/${id}`, text: "Blind test" }));
  return line;
}

export function runDetails(run) {
  const curves = make("div", { class: "charts" }, make("p", { class: "soft", text: "Asking for the curves." }));
  const parts = [ways(run)];
  const refused = catalog.find(run.id)?.refused;
  if (refused) parts.push(make("p", { class: "failed", text: `Its weights are refused: ${refused}` }));
  if (run.reason) parts.push(make("p", { class: "failed", text: run.reason }));
  parts.push(make("p", { class: "soft small", text: `${run.status} · ${duration(run.seconds)}` }));
  parts.push(make("code", { class: "copy", tabindex: "0", "aria-label": "the command", text: run.command }));
  if (run.scores) parts.push(...metrics(run.scores));
  if (run.votes) parts.push(make("h3", { text: "Blind votes" }), tally(run.votes));
  parts.push(make("h3", { text: "Learning curves" }), curves);
  showCurves(run, curves);
  return make("div", { class: "run-details" }, ...parts);
}

// Puts the views together: which one is seen, and which one the keys belong to.

import { Blind } from "./blind.js";
import { catalog } from "./catalog.js";
import { Compare } from "./compare.js";
import { Grid } from "./grid.js";
import { routeOf, showView, VIEWS } from "./router.js";
import { Rows } from "./rows.js";
import { Runs } from "./runs.js";
import { Topline } from "./topline.js";

const KINDS = { compare: Compare, grid: Grid, rows: Rows, blind: Blind, runs: Runs };
const topline = new Topline();
const chosen = {};
const views = {};
let current = routeOf(location.hash);

function makeView(name) {
  const root = document.getElementById(`view-${name}`);
  views[name] = new KINDS[name](root, { onChosen: (models) => choose(name, models) });
}

function choose(name, models) {
  chosen[name] = models;
  if (name === current.view) topline.showChosen(models);
}

function go() {
  current = routeOf(location.hash);
  showView(current.view);
  topline.showChosen(chosen[current.view] ?? []);
}

function navigate() {
  go();
  views[current.view].route(current);
}

/** Views that need the models begin when these are known, once. */
function begin() {
  if (begin.done) return;
  begin.done = true;
  for (const name of VIEWS) views[name].begin(current);
  if (current.view !== "compare") views[current.view].route(current);
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function onKey(event) {
  const view = views[current.view];
  if (event.key === "Escape") view.escape();
  else view.key?.(event);
}

VIEWS.forEach(makeView);
go();
addEventListener("hashchange", navigate);
document.addEventListener("keydown", onKey);
document.getElementById("skip").addEventListener("click", skip);
catalog.onChange(begin);
topline.poll();

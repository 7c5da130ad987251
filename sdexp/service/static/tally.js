// What the votes say: counts, the share of wins, and its interval on a scale.

import { draw, make } from "./dom.js";
import { interval, percent } from "./words.js";

const WIDTH = 200;

function scale(votes) {
  const at = (share) => 4 + share * (WIDTH - 8);
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} 20`, class: "scale", role: "img" });
  const words = `Win rate of finetuned: ${percent(votes.win_rate)}; the mark in the middle is no difference.`;
  picture.append(draw("title", { text: words }));
  picture.append(draw("line", { x1: at(0), x2: at(1), y1: 18, y2: 18, class: "rule" }));
  picture.append(draw("line", { x1: at(0.5), x2: at(0.5), y1: 2, y2: 18, class: "rule" }));
  const [low, high] = (votes.ci95 ?? [votes.win_rate, votes.win_rate]).map(at);
  picture.append(draw("line", { x1: low, x2: high, y1: 10, y2: 10, class: "span" }));
  picture.append(draw("circle", { cx: at(votes.win_rate), cy: 10, r: 4, class: "dot" }));
  return picture;
}

function tallyWords(votes) {
  return `finetuned ${votes.finetuned}, original ${votes.original}, same ${votes.same}`;
}

function rateWords(votes) {
  if (votes.win_rate === null || votes.win_rate === undefined) return "no win rate yet";
  return `win rate of finetuned ${percent(votes.win_rate)}, 95 % interval ${interval(votes.ci95, percent)}`;
}

export function tally(votes) {
  const known = votes.win_rate !== null && votes.win_rate !== undefined;
  return make("div", { class: "tally" },
    make("p", { class: "counts", text: tallyWords(votes) }),
    known ? scale(votes) : null,
    make("p", { class: "soft small", text: rateWords(votes) }));
}

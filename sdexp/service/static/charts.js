// Small line charts of learning curves.

import { draw, make } from "./dom.js";

const [WIDTH, HEIGHT] = [320, 170];
const EDGE = { left: 52, right: 12, top: 10, bottom: 34 };
const DRAWN = 400;
const FEW = 20;

/** Round numbers inside [low, high], about `wanted` of them. */
function ticks(low, high, wanted) {
  const raw = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

function spread(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const rim = high > low ? 0 : Math.abs(high) / 2 || 1;
  return [low - rim, high + rim];
}

function scale([low, high], from, to) {
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}

/** As many digits as tell two neighbours on an axis apart. */
function tickText(value, values) {
  const step = values.length > 1 ? values[1] - values[0] : 0;
  const size = Math.max(...values.map(Math.abs));
  if (step === 0 || step * 200 > size) return short(value);
  return String(Number(value.toFixed(Math.ceil(-Math.log10(step) + 1e-9))));
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 10_000 || (size > 0 && size < 0.001)) return String(Number(value.toPrecision(3)).toExponential());
  return String(Number(value.toPrecision(3)));
}

function thinned(points) {
  const every = Math.max(1, Math.ceil(points.length / DRAWN));
  return points.filter((_, index) => index % every === 0 || index === points.length - 1);
}

function axes(picture, x, y, spans, across) {
  const [right, bottom] = [WIDTH - EDGE.right, HEIGHT - EDGE.bottom];
  const levels = ticks(...spans.y, 4);
  for (const value of levels) {
    picture.append(draw("line", { x1: EDGE.left, x2: right, y1: y(value), y2: y(value), class: "faint" }));
    const text = tickText(value, levels);
    picture.append(draw("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end", text }));
  }
  for (const value of ticks(...spans.x, 4)) {
    picture.append(draw("line", { x1: x(value), x2: x(value), y1: bottom, y2: bottom + 4, class: "rule" }));
    picture.append(draw("text", { x: x(value), y: bottom + 16, "text-anchor": "middle", text: short(value) }));
  }
  picture.append(draw("line", { x1: EDGE.left, x2: right, y1: bottom, y2: bottom, class: "rule" }));
  picture.append(draw("text", { x: (EDGE.left + right) / 2, y: HEIGHT - 3, "text-anchor": "middle", text: across }));
}

function lineOf(points, x, y) {
  const places = points.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`);
  return `M${places.join("L")}`;
}

/** The nearest point to the pointer, in words. */
function readout(picture, points, x, y, words, across) {
  const dot = draw("circle", { r: 3, class: "dot", visibility: "hidden" });
  picture.append(dot);
  const leave = () => {
    dot.setAttribute("visibility", "hidden");
    words.textContent = `last ${short(points.at(-1)[1])}`;
  };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const away = (point) => Math.abs(x(point[0]) - at);
    const near = points.reduce((best, point) => (away(point) < away(best) ? point : best));
    dot.setAttribute("cx", x(near[0]));
    dot.setAttribute("cy", y(near[1]));
    dot.setAttribute("visibility", "visible");
    words.textContent = `${across} ${short(near[0])}: ${short(near[1])}`;
  });
  picture.addEventListener("pointerleave", leave);
  leave();
}

/** `across`: what the horizontal axis counts. */
export function lineChart({ name, points }, across = "step") {
  const known = points.filter(([step, value]) => Number.isFinite(step) && Number.isFinite(value));
  const words = make("span", { class: "soft" });
  const caption = make("figcaption", {}, make("strong", { text: name }), words);
  if (known.length === 0) {
    words.textContent = "no points";
    return make("figure", { class: "chart" }, caption);
  }
  const spans = { x: spread(known.map((point) => point[0])), y: spread(known.map((point) => point[1])) };
  const x = scale(spans.x, EDGE.left, WIDTH - EDGE.right);
  const y = scale(spans.y, HEIGHT - EDGE.bottom, EDGE.top);
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const ends = [known[0][1], known.at(-1)[1]].map(short);
  picture.append(draw("title", { text: `${name} by ${across}, from ${ends[0]} to ${ends[1]}` }));
  axes(picture, x, y, spans, across);
  picture.append(draw("path", { d: lineOf(thinned(known), x, y), class: "curve" }));
  const dots = known.length <= FEW ? known : [];
  dots.forEach(([at, value]) => picture.append(draw("circle", { cx: x(at), cy: y(value), r: 2.5, class: "dot" })));
  readout(picture, known, x, y, words, across);
  return make("figure", { class: "chart" }, caption, picture);
}

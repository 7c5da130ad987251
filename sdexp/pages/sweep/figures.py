"""The figures of a sweep: quality against what it costs, and the losses of all runs."""

import math
from typing import Any

from sdexp.pages.figures import drawn, smooth
from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.ranking import Group, higher_is_better, pareto

# Seen apart also by most colour-blind readers, on white and on black.
COLORS = ("#2f7fd0", "#e0731d", "#2a9d6f", "#c2549f", "#8a6fd1", "#c9a21a", "#d1495b", "#4aa8b5")
MARKERS = "osD^vPX*"
LEGEND_ROWS = 12


def cost_figures(sweep: Sweep, groups: list[Group]) -> list[tuple[str, str]]:
    """(SVG, words) of the primary metric against drift and against training time."""
    if sweep.primary is None:
        return []
    drift = {job.number: job.drift for job in sweep.jobs}
    seconds = {job.number: job.training.seconds if job.training else None for job in sweep.jobs}
    figures = []
    svg = _scatter("drift", sweep, groups, drift, "drift: distance from the original's pictures")
    if svg:
        figures.append(
            (
                svg,
                "Quality against drift. The line is the Pareto front: no other run "
                "is both better and nearer to the original.",
            )
        )
    svg = _scatter("time", sweep, groups, seconds, "training, seconds")
    if svg:
        figures.append((svg, "Quality against training time."))
    return figures


def _scatter(
    name: str, sweep: Sweep, groups: list[Group], cost: dict[int, float | None], words: str
) -> str:
    """One point for each scored run; empty when nothing can be placed."""
    metric = sweep.primary
    assert metric is not None
    up = higher_is_better(groups, metric)
    points = [
        (group, job, x, job.metrics[metric].finetuned)
        for group, one in enumerate(groups)
        for job in one.jobs
        if job.counts and metric in job.metrics and (x := cost[job.number]) is not None
    ]
    if not points:
        return ""

    def draw(axes: Any) -> None:
        if name == "drift":
            _front(axes, [(x, y) for _, _, x, y in points], up)
        seen = set()
        for group, job, x, y in points:
            label = None if group in seen else _legend(groups[group])
            seen.add(group)
            axes.plot(x, y, **_style(group), linestyle="", markersize=8, label=label)
            place = {"xytext": (7, 5), "textcoords": "offset points", "fontsize": 10}
            axes.annotate(str(job.number), (x, y), **place)
        axes.margins(0.12)
        axes.set_xlabel(words)
        arrow = "↑ higher" if up else "↓ lower"
        axes.set_ylabel(f"{metric}, finetuned ({arrow} is better)")
        _add_legend(axes, len(seen))

    return drawn(name, (8, 4), draw)


def _front(axes: Any, points: list[tuple[float, float]], up: bool) -> None:
    costs = [(x, -y if up else y) for x, y in points]
    corners = sorted({points[i] for i in pareto(costs)})
    xs, ys = zip(*corners, strict=True)
    axes.step(xs, ys, where="post", color="#888888", linewidth=1.2, linestyle="--", zorder=1)


def loss_figure(sweep: Sweep, groups: list[Group]) -> tuple[str, str]:
    """(SVG, words) of every run's validation loss, or of its training loss where there is none."""
    curves = [(g, job, *_curve(job)) for g, one in enumerate(groups) for job in one.jobs]
    curves = [curve for curve in curves if curve[3]]
    if not curves:
        return "", ""

    def draw(axes: Any) -> None:
        seen = set()
        for group, _, validates, points in curves:
            steps, values = zip(*points, strict=True)
            label = None if group in seen else _legend(groups[group])
            seen.add(group)
            line = "-" if validates else "--"
            style = _style(group) | {"markersize": 4 if validates else 0}
            axes.plot(steps, values, **style, linestyle=line, linewidth=1.5, label=label)
        _name_ends(axes, [(group, job.number, points) for group, job, _, points in curves])
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("loss")
        _add_legend(axes, len(seen))

    words = "Validation loss with fixed noise, by job number."
    if not all(curve[2] for curve in curves):
        words += " Dashed: smoothed training loss of a run without validation."
    return drawn("losses", (8, 4), draw), words


def _name_ends(axes: Any, curves: list[tuple[int, int, list[tuple[int, float]]]]) -> None:
    """Job numbers beside the ends of their curves, moved up where they would cover each other."""
    finite = [value for *_, points in curves for _, value in points if math.isfinite(value)]
    ends = [(points[-1][1], points[-1][0], number, group) for group, number, points in curves]
    ends = sorted(end for end in ends if math.isfinite(end[0]))
    if not ends:
        return
    gap = (max(finite) - min(finite)) * min(0.05, 1 / len(ends))
    lowest = -math.inf
    for value, step, number, group in ends:
        lowest = max(value, lowest)
        place = {"xytext": (6, -3), "textcoords": "offset points", "fontsize": 10}
        place |= {"color": _style(group)["color"]}
        axes.annotate(str(number), (step, lowest), **place)
        lowest += gap


def _curve(job: JobFacts) -> tuple[bool, list[tuple[int, float]]]:
    """Whether it is the validation loss, and (step, value)."""
    checked = job.facts.curve("validation", "loss")
    train = job.facts.curve("train", "loss")
    if checked or not train:
        return True, checked
    steps, values = zip(*train, strict=True)
    return False, list(zip(steps, smooth(values), strict=True))


def _style(group: int) -> dict[str, Any]:
    return {
        "color": COLORS[group % len(COLORS)],
        "marker": MARKERS[(group // len(COLORS) + group) % len(MARKERS)],
    }


def _legend(group: Group) -> str:
    """A space first: matplotlib leaves out what begins with an underscore."""
    label = group.label or "all jobs"
    return f" {label}" if len(label) <= 60 else f" {label[:59]}…"


def _add_legend(axes: Any, rows: int) -> None:
    if rows <= LEGEND_ROWS:
        columns = 1 if rows == 1 else 2
        axes.figure.legend(loc="outside lower center", frameon=False, fontsize=9, ncols=columns)

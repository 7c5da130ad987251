"""The figures of a sweep: quality against what it costs, and the losses of all runs."""

import math
from typing import Any, TypeAlias

from sdexp.pages.figures import drawn, smooth
from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.ranking import Group, higher_is_better, pareto

# Seen apart also by most colour-blind readers, on white and on black.
COLORS = ("#2f7fd0", "#e0731d", "#2a9d6f", "#c2549f", "#8a6fd1", "#c9a21a", "#d1495b", "#4aa8b5")
MARKERS = "osD^vPX*"
LEGEND_ROWS = 12
# Number of the group, run, cost, value of the metric.
Point: TypeAlias = tuple[int, JobFacts, float, float]


def cost_figures(sweep: Sweep, groups: list[Group]) -> list[tuple[str, str]]:
    """(SVG, words) of the primary metric against drift and against training time."""
    if sweep.primary is None:
        return []
    drift = {job.number: job.drift for job in sweep.jobs}
    seconds = {job.number: job.training.seconds if job.training else None for job in sweep.jobs}
    figures = []
    by_drift = _points(sweep.primary, groups, drift)
    if by_drift:
        up = higher_is_better(groups, sweep.primary)
        front = _front([(x, y) for _, _, x, y in by_drift], up)
        axis = "drift: distance from the original's pictures"
        svg = _scatter("drift", sweep.primary, groups, by_drift, axis, front)
        said = _front_words(front) if len(by_drift) > 1 else ""
        figures.append((svg, f"Quality against drift. {said}".strip()))
    by_time = _points(sweep.primary, groups, seconds)
    if by_time:
        svg = _scatter("time", sweep.primary, groups, by_time, "training, seconds", [])
        figures.append((svg, "Quality against training time."))
    return figures


def _points(metric: str, groups: list[Group], cost: dict[int, float | None]) -> list[Point]:
    """Every scored run that can be placed."""
    return [
        (group, job, x, job.metrics[metric].finetuned)
        for group, one in enumerate(groups)
        for job in one.jobs
        if job.counts and metric in job.metrics and (x := cost[job.number]) is not None
    ]


def _scatter(
    name: str,
    metric: str,
    groups: list[Group],
    points: list[Point],
    words: str,
    front: list[tuple[float, float]],
) -> str:
    """A point for each run, and a line over the corners of the front where it has several."""
    up = higher_is_better(groups, metric)

    def draw(axes: Any) -> None:
        if len(front) > 1:
            xs, ys = zip(*front, strict=True)
            line = {"color": "#888888", "linewidth": 1.2, "linestyle": "--", "zorder": 1}
            axes.step(xs, ys, where="post", **line)
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

    return drawn(name, f"{metric} against {words}", (8, 4), draw)


def _front(points: list[tuple[float, float]], up: bool) -> list[tuple[float, float]]:
    """Corners of the Pareto front, the cheapest first."""
    costs = [(x, -y if up else y) for x, y in points]
    return sorted({points[i] for i in pareto(costs)})


def _front_words(front: list[tuple[float, float]]) -> str:
    if len(front) > 1:
        return (
            "The line is the Pareto front: no other run is both better and nearer to the original."
        )
    return "One run is both the best and the nearest to the original."


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
    return drawn("losses", words, (8, 4), draw), words


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

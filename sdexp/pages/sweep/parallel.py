"""All runs as lines over parallel axes: what was swept, and what came of it."""

from typing import Any

from sdexp.pages.figures import drawn
from sdexp.pages.sweep.effects import swept_keys
from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.words import number

# More axes than this cannot be read on a page.
MOST_KEYS = 8
LEAST_KEYS = 2
LEAST_RUNS = 3
LONGEST = 16
# Between two numbers at the ends of lines, as a share of the axis.
GAP = 0.055


def parallel_figure(sweep: Sweep) -> tuple[str, str]:
    """(SVG, words); both empty for fewer than two keys or three runs, or for too many keys."""
    metric = sweep.primary
    jobs = [job for job in sweep.counted if metric in job.metrics]
    keys = [key for key in swept_keys(sweep, jobs) if all(key in job.given for job in jobs)]
    if metric is None or len(jobs) < LEAST_RUNS or not LEAST_KEYS <= len(keys) <= MOST_KEYS:
        return "", ""
    scores = [job.metrics[metric].finetuned for job in jobs]
    up = jobs[0].metrics[metric].higher_is_better
    goodness = _by_size(scores) if up else [1 - place for place in _by_size(scores)]
    places = [*(_by_value(jobs, key) for key in keys), goodness]
    names = [sweep.short(key) for key in keys] + [metric]
    ends = (min(scores), max(scores)) if up else (max(scores), min(scores))

    def draw(axes: Any) -> None:
        from matplotlib import colormaps

        for row, good in enumerate(goodness):
            line = [place[row] for place in places]
            axes.plot(range(len(line)), line, color=colormaps["viridis"](good), linewidth=2)
        _name_runs(
            axes, len(keys), [(good, job.number) for good, job in zip(goodness, jobs, strict=True)]
        )
        for column, key in enumerate(keys):
            _write_values(axes, sweep, column, key, jobs, places[column])
        for column in range(len(places)):
            axes.axvline(column, color="#888888", linewidth=1, zorder=0)
        for place, value in enumerate(ends):
            axes.annotate(number(value), (len(keys), place), **_beside(-6, "right", 7))
        axes.set_xticks(range(len(names)), [f" {name}" for name in names])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.margins(0.12)

    words = f"Each line is a run, the better on {metric} the higher and brighter. Numbers are jobs."
    return drawn("parallel", words, (2.4 * len(names), 3.6), draw), words


def _name_runs(axes: Any, column: int, ends: list[tuple[float, int]]) -> None:
    """Numbers beside the ends of the lines, moved up where they would cover each other."""
    lowest = -1.0
    for place, job in sorted(ends):
        lowest = max(place, lowest + GAP)
        axes.annotate(str(job), (column, lowest), **_beside(6, "left"))


def _by_value(jobs: list[JobFacts], key: str) -> list[float]:
    """Where each run's value stands among the values of a key, in order and evenly, in [0, 1]."""
    values = sorted({job.given[key] for job in jobs}, key=_order)
    return [values.index(job.given[key]) / (len(values) - 1) for job in jobs]


def _order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, before other texts."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _by_size(scores: list[float]) -> list[float]:
    low = min(scores)
    high = max(scores)
    return [(score - low) / (high - low) if high > low else 0.5 for score in scores]


def _write_values(
    axes: Any, sweep: Sweep, column: int, key: str, jobs: list[JobFacts], places: list[float]
) -> None:
    texts = {p: sweep.value(key, job.given[key]) for p, job in zip(places, jobs, strict=True)}
    for place, text in texts.items():
        short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        # Above the lines that meet there.
        axes.annotate(f" {short}", (column, place), **_beside(-6, "right", 7))


def _beside(points: int, side: str, above: int = 0) -> dict[str, Any]:
    where = {"xytext": (points, above), "textcoords": "offset points", "fontsize": 9}
    return where | {"ha": side, "va": "center"}

"""Which checkpoint: the evaluations of a run's steps, side by side."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import MetricRecord, ScoresRecord
from sdexp.pages.figures import drawn
from sdexp.pages.run.facts import Beside, Facts
from sdexp.pages.run.questions import answers
from sdexp.pages.words import number

# What tells a line about the step from the other differences of an evaluation.
STEP = "evaluation.checkpoint:"


@dataclass(frozen=True)
class StepLine:
    """An evaluation of the weights of one step; answers: to the three questions."""

    step: int
    link: str
    scores: ScoresRecord
    answers: dict[str, str]
    best: bool

    @property
    def primary(self) -> MetricRecord:
        return self.scores.primary_metric

    @property
    def drift(self) -> float | None:
        return next((drift.value for drift in self.scores.drift.values()), None)

    @property
    def copies(self) -> float | None:
        copying = self.scores.guards.copying
        return None if copying is None else copying.share.value


@dataclass(frozen=True)
class Steps:
    """The largest set of steps that were scored in the same way, oldest first.

    differs: in what way, beside the step; curve: an SVG; sentence: which is best.
    """

    lines: list[StepLine]
    differs: list[str]
    sentence: str
    command: str
    curve: str


def steps_of(run: RunFolder, facts: Facts) -> Steps | None:
    """None where fewer than two steps were scored in one way."""
    groups: dict[tuple[str, ...], list[Beside]] = {}
    for one in facts.beside:
        if one.record.checkpoint is None or one.scores is None or one.scores.control:
            continue
        others = tuple(line for line in one.record.differs if not line.startswith(STEP))
        groups.setdefault((one.scores.primary, *others), []).append(one)
    if not groups or max(map(len, groups.values())) < 2:
        return None
    key, found = max(groups.items(), key=lambda group: len(group[1]))
    by_step = {one.record.checkpoint: one for one in found}
    pairs = [(step, one, one.scores) for step, one in by_step.items() if step and one.scores]
    pairs.sort(key=lambda pair: pair[0])
    best = _best([(step, scores) for step, _, scores in pairs])
    lines = [
        StepLine(
            step,
            one.folder.report_html.relative_to(run.path).as_posix(),
            scores,
            dict(answers(scores)),
            step == best,
        )
        for step, one, scores in pairs
    ]
    chosen = next(line for line in lines if line.best)
    return Steps(
        lines,
        list(key[1:]),
        _sentence(lines, chosen),
        f"python -m sdexp.evaluate run={run.path} checkpoint={chosen.step} evaluation.split=test",
        _curve(lines),
    )


def _best(scored: list[tuple[int, ScoresRecord]]) -> int:
    sign = 1 if scored[0][1].primary_metric.higher_is_better else -1
    return max(scored, key=lambda pair: sign * pair[1].primary_metric.finetuned)[0]


def _sentence(lines: list[StepLine], best: StepLine) -> str:
    """The best step, and those that its interval does not tell from it."""
    name = best.scores.primary
    score = number(best.primary.finetuned)
    told = f"Best on {name}: step {best.step} ({score})."
    if all(line.primary.verdict != "better" for line in lines):
        # Large words are for what chance does not explain.
        told = f"No step is shown to be better than the original on {name}; the first of them is "
        told += f"step {best.step} ({score})."
    interval = best.primary.ci95
    if interval is None:
        return f"{told} {name} has no interval, so whether chance explains the lead cannot be told."
    near = [
        str(line.step)
        for line in lines
        if not line.best and interval[0] <= line.primary.difference <= interval[1]
    ]
    if not near:
        return f"{told} No other step lies within its 95 % interval."
    return f"{told} Within its 95 % interval lie also {', '.join(near)}."


def _curve(lines: list[StepLine]) -> str:
    """Quality, drift and copies over the steps, each in a panel of its own."""
    primary = lines[0].scores.primary
    panels: list[tuple[str, list[float | None]]] = [
        (primary, [line.primary.finetuned for line in lines]),
        ("drift", [line.drift for line in lines]),
        ("prompts with a copy", [line.copies for line in lines]),
    ]
    panels = [(name, values) for name, values in panels if any(v is not None for v in values)]
    steps = [line.step for line in lines]

    def panel(name: str, values: list[float | None]) -> Callable[[Any], None]:
        shown = [(step, v) for step, v in zip(steps, values, strict=True) if v is not None]

        def draw(axes: Any) -> None:
            axes.plot(*zip(*shown, strict=True), marker="o", color="#2f6fbf", linewidth=1.8)
            if name == primary:
                _interval(axes, lines)
            axes.set_title(name, fontsize=10)
            axes.set_xlabel("optimizer step")

        return draw

    draws = [panel(name, values) for name, values in panels]
    return drawn("steps", f"{primary}, drift and copies over checkpoints", (9, 2.8), *draws)


def _interval(axes: Any, lines: list[StepLine]) -> None:
    """The interval of the difference about the original's score, as a band."""
    bands = [(line.step, line.primary) for line in lines if line.primary.ci95]
    if not bands:
        return
    ends = [[one.original + (one.ci95 or (0, 0))[k] for _, one in bands] for k in (0, 1)]
    axes.fill_between([step for step, _ in bands], *ends, color="#8aa4c8", alpha=0.35)
    axes.axhline(bands[0][1].original, color="#888888", linewidth=1, linestyle="--")

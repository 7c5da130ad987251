"""Which configuration of a sweep is best, and how far to believe it."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

from sdexp.pages.sweep.facts import SEED, JobFacts, Sweep
from sdexp.pages.words import number
from sdexp.stats.comparison import SIGNIFICANCE
from sdexp.stats.multiple import holm


@dataclass(frozen=True)
class Group:
    """The jobs of one configuration, which differ in nothing but the training seed.

    counted: the scored ones, one for each seed.
    """

    label: str
    jobs: list[JobFacts]
    counted: list[JobFacts]

    @property
    def numbers(self) -> str:
        return listed([job.number for job in self.jobs])

    def column(self, metric: str, key: str) -> "Spread | None":
        """Spread of `original`, `finetuned` or `difference`; None where no run has the metric."""
        scored = [job.metrics[metric] for job in self.counted if metric in job.metrics]
        values = [float(getattr(one, key)) for one in scored]
        return Spread.of(values) if values else None

    def verdicts(self, metric: str) -> list[str]:
        return [job.metrics[metric].verdict for job in self.counted if metric in job.metrics]


@dataclass(frozen=True)
class Spread:
    """Mean, sample standard deviation (None for a single value) and range of `n` values."""

    n: int
    mean: float
    sd: float | None
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(len(values), statistics.fmean(values), sd, min(values), max(values))


def grouped(sweep: Sweep) -> list[Group]:
    """One group for each configuration, in the order of the first job."""
    found: dict[tuple[tuple[str, str], ...], list[JobFacts]] = {}
    for job in sweep.jobs:
        found.setdefault(tuple(sweep.settings(job).items()), []).append(job)
    groups = []
    for jobs in found.values():
        # The same seed twice is the same run twice, and says nothing about seeds.
        by_seed = {job.seed: job for job in reversed(jobs) if job.counts}
        counted = [job for job in jobs if job in by_seed.values()]
        groups.append(Group(sweep.label(jobs[0]), jobs, counted))
    return groups


def ranked(groups: list[Group], metric: str) -> list[Group]:
    """Groups that have the metric, the best mean of the finetuned model first."""
    sign = -1 if higher_is_better(groups, metric) else 1
    means = [(group, group.column(metric, "finetuned")) for group in groups]
    able = [(group, spread.mean) for group, spread in means if spread]
    return [group for group, mean in sorted(able, key=lambda pair: sign * pair[1])]


def higher_is_better(groups: list[Group], metric: str) -> bool:
    """The direction of a metric, from the first run that has it."""
    metrics = [job.metrics[metric] for g in groups for job in g.jobs if metric in job.metrics]
    return bool(metrics and metrics[0].higher_is_better)


def pareto(points: list[tuple[float, float]]) -> list[int]:
    """Places of the points that no other beats: none is as low in both and lower in one."""
    return [
        i
        for i, (x, y) in enumerate(points)
        if not any(a <= x and b <= y and (a < x or b < y) for a, b in points)
    ]


def best_line(sweep: Sweep, groups: list[Group]) -> str:
    """The best configuration in one sentence."""
    name = sweep.primary
    if name is None:
        done = any(job.status == "finished" for job in sweep.jobs)
        return "Trained, not evaluated: none is best." if done else "No job has finished."
    order = ranked(groups, name)
    if len(order) == 1:
        return f"One configuration was scored{': ' if order[0].label else ''}{order[0].label}."
    if not is_better(order[0], groups, name):
        return f"No winner yet: none is better than the original on {name}."
    return f"Best on {name}: {order[0].label}."


def is_better(group: Group, groups: list[Group], metric: str) -> bool:
    """Whether every seed of a configuration beats the original, also among so many runs."""
    family = [job for one in groups for job in one.counted if metric in job.metrics]
    adjusted = holm([job.metrics[metric].p for job in family])
    own = [
        job.metrics[metric].verdict == "better" and p < SIGNIFICANCE
        for job, p in zip(family, adjusted, strict=True)
        if job in group.counted
    ]
    return all(own)


def numbers_line(sweep: Sweep, groups: list[Group]) -> str:
    """The primary metric of the best configuration."""
    name = sweep.primary
    if name is None:
        return ""
    best = ranked(groups, name)[0]
    original = best.column(name, "original")
    finetuned = best.column(name, "finetuned")
    difference = best.column(name, "difference")
    assert original and finetuned and difference
    facts = best.counted[0].metrics[name]
    between = ""
    if finetuned.n == 1 and facts.ci95:
        low, high = (number(bound, True) for bound in facts.ci95)
        between = f", 95 % interval {low} to {high}"
    if finetuned.sd is not None:
        between = f", standard deviation over {finetuned.n} seeds {number(difference.sd)}"
    direction = "higher" if facts.higher_is_better else "lower"
    return (
        f"{name} with {facts.backbone}: {number(original.mean)} → {number(finetuned.mean)} "
        f"(difference {number(difference.mean, True)}{between}; {direction} is better). Against "
        f"the original: {', '.join(best.verdicts(name))}."
    )


def doubts(sweep: Sweep, groups: list[Group]) -> list[str]:
    """What stands between the best configuration and believing in it."""
    name = sweep.primary
    if name is None:
        return []
    order = ranked(groups, name)
    lines = []
    if len(order) > 1 and not is_better(order[0], groups, name):
        lines = [_first_line(order, name)]
    elif len(order) > 1:
        lines = [_lead_line(order, name), _curse_line(order[0], len(order))]
        lines += _scored_again(order[0])
    if all(len(group.counted) < 2 for group in order):
        lines.append(
            "Trained with one seed each: how much another training seed moves "
            "these numbers is unknown. Add training.seed=1,2,3 to the sweep."
        )
    return lines


def _first_line(order: list[Group], name: str) -> str:
    """Why the first in the order is not called the best."""
    best = order[0].column(name, "finetuned")
    assert best
    return (
        f"The first in the order is {order[0].label} ({number(best.mean)}), but a best one must be "
        "better than the original with every seed, by a p below 0.05 after Holm's correction for "
        "all the runs of this page."
    )


def _lead_line(order: list[Group], name: str) -> str:
    """Whether the best leads by more than seeds, or else prompts, explain."""
    first, second = (group.column(name, "finetuned") for group in order[:2])
    assert first and second
    lead = f"Its lead over the second ({order[1].label}) is {number(abs(first.mean - second.mean))}"
    spreads = [spread.sd for spread in (first, second) if spread.sd is not None]
    if not spreads:
        return f"{lead}. {_interval_words(order, name)}"
    spread = max(spreads)
    if abs(first.mean - second.mean) <= spread:
        return (
            f"{lead}, not larger than the spread of the seeds (standard deviation "
            f"{number(spread)}): another seed may turn the order round."
        )
    apart = first.high < second.low or second.high < first.low
    ranges = "do not overlap" if apart else "overlap all the same"
    few = "" if min(first.n, second.n) > 1 else " One of the two has a single seed."
    return (
        f"{lead}, larger than the spread of the seeds (standard deviation {number(spread)}); the "
        f"ranges over the seeds {ranges}.{few}"
    )


def _interval_words(order: list[Group], name: str) -> str:
    facts = [group.counted[0].metrics[name] for group in order[:2]]
    if not all(one.ci95 for one in facts):
        return f"{name} has no interval, so whether chance explains the lead cannot be told."
    if not math.isclose(facts[0].original, facts[1].original, rel_tol=1e-6):
        return "Their originals score differently, so their intervals cannot be held together."
    (low, high), (other_low, other_high) = (one.ci95 or (0.0, 0.0) for one in facts)
    if high < other_low or other_high < low:
        return "Their 95 % intervals do not overlap: it is more than chance among these prompts."
    return "Their 95 % intervals overlap: these prompts do not show that the best is the better."


def _curse_line(best: Group, count: int) -> str:
    job = best.counted[0]
    split = job.leaves.get("evaluation.split")
    line = (
        f"It was chosen among {count} on the same {split or 'evaluation'} prompts that score it, "
        "so its score is optimistic (winner's curse). "
    )
    if split == "val":
        return f"{line}Score it once on the test split: {_again(job, 'test')}."
    if split == "test":
        return (
            f"{line}Choose on the other split (evaluation.split=val) and score only the winner "
            f"here; or see it again on prompts that did not choose it: {_again(job, 'val')}."
        )
    return f"{line}Score it again on prompts that did not choose it."


def _scored_again(best: Group) -> list[str]:
    """What evaluations beside the best runs' own found."""
    lines = []
    for job in best.counted:
        for one in job.facts.beside:
            if one.scores is not None and one.scores.control is None:
                metric = one.scores.primary_metric
                lines.append(
                    f"Job {job.number} scored again ({', '.join(one.record.differs)}): "
                    f"{one.scores.primary} {number(metric.original)} → {number(metric.finetuned)}, "
                    f"{metric.verdict}."
                )
    return lines


def _again(job: JobFacts, split: str) -> str:
    return f"python -m sdexp.evaluate run={job.run.path} evaluation.split={split}"


def seed_rows(sweep: Sweep, groups: list[Group]) -> list[dict[str, Any]]:
    """Configurations with their seeds averaged, the best on the primary metric first.

    Empty when no configuration has more than one seed.
    """
    if sweep.primary is None or all(len(group.counted) < 2 for group in groups):
        return []
    rows = []
    for place, group in enumerate(ranked(groups, sweep.primary), start=1):
        keys = ("finetuned", "difference")
        cells = {n: [group.column(n, key) for key in keys] for n in sweep.metric_names}
        seeds = [job.seed for job in group.counted]
        best = place == 1 and is_better(group, groups, sweep.primary)
        row = {"place": place, "group": group, "cells": cells, "seeds": seeds, "best": best}
        rows.append(row)
    return rows


def counts_line(sweep: Sweep) -> str:
    """How many jobs ended in which way."""
    states = [job.status for job in sweep.jobs]
    told = ("finished", "failed", "interrupted", "running", "waiting", "unknown")
    parts = [f"{states.count(state)} {state}" for state in told if state in states]
    seeds = {job.seed for job in sweep.jobs if job.seed is not None}
    several = f"; {len(seeds)} training seeds" if SEED in sweep.columns else ""
    return f"{len(states)} job{'s' if len(states) > 1 else ''}: {', '.join(parts)}{several}."


def listed(numbers: list[int]) -> str:
    """Numbers in one line."""
    return ", ".join(map(str, numbers))

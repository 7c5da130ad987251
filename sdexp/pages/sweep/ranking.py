"""The configurations of a sweep in their order, and which of them beat the original."""

import statistics
from dataclasses import dataclass

from sdexp.pages.sweep.facts import SEED, JobFacts, Sweep
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


def is_better(group: Group, groups: list[Group], metric: str) -> bool:
    """Whether every seed of a configuration beats the original, also among so many runs."""
    adjusted = adjusted_ps(groups, metric)
    return all(
        job.metrics[metric].verdict == "better" and adjusted[job.number] < SIGNIFICANCE
        for job in group.counted
        if metric in job.metrics
    )


def adjusted_ps(groups: list[Group], metric: str) -> dict[int, float]:
    """By job number the p of its difference from the original, among those of all runs."""
    family = [job for group in groups for job in group.counted if metric in job.metrics]
    ps = holm([job.metrics[metric].p for job in family])
    return {job.number: p for job, p in zip(family, ps, strict=True)}


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

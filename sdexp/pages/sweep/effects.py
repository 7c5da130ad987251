"""What each swept key does by itself: the mean score of its values over everything else."""

from collections import Counter
from dataclasses import dataclass

from sdexp.pages.sweep.facts import SEED, JobFacts, Sweep
from sdexp.pages.sweep.ranking import Group, Spread, listed

# One key alone has no other to be averaged over.
LEAST_KEYS = 2


@dataclass(frozen=True)
class Effect:
    """A value of a key: the runs that have it, and their primary metric and its difference."""

    key: str
    value: str
    jobs: str
    finetuned: Spread
    difference: Spread


@dataclass(frozen=True)
class MainEffects:
    """balanced: whether every combination of values was scored equally often."""

    lines: list[Effect]
    balanced: bool


def main_effects(sweep: Sweep, groups: list[Group]) -> MainEffects | None:
    """By swept key and value, in the order of the page; None where fewer than two keys differ."""
    metric = sweep.primary
    jobs = [job for group in groups for job in group.counted if metric in job.metrics]
    keys = swept_keys(sweep, jobs)
    if metric is None or len(keys) < LEAST_KEYS:
        return None
    lines = [
        _effect(sweep, metric, key, value, [job for job in jobs if _value(job, key) == value])
        for key in keys
        for value in dict.fromkeys(_value(job, key) for job in jobs)
    ]
    return MainEffects(lines, _is_balanced(jobs, keys))


def swept_keys(sweep: Sweep, jobs: list[JobFacts]) -> list[str]:
    """Keys whose values part these jobs, the seed aside; of those that part them alike the first.

    Runs that are no sweep differ in many keys at once, such as a preset's.
    """
    found: dict[tuple[int, ...], str] = {}
    for key in sweep.columns:
        values = [_value(job, key) for job in jobs]
        if key != SEED and len(set(values)) > 1:
            found.setdefault(tuple(values.index(value) for value in values), key)
    return list(found.values())


def _value(job: JobFacts, key: str) -> str | None:
    return job.given[key] if key in job.given else None


def _effect(sweep: Sweep, metric: str, key: str, value: str | None, jobs: list[JobFacts]) -> Effect:
    records = [job.metrics[metric] for job in jobs]
    return Effect(
        sweep.short(key),
        "-" if value is None else sweep.value(key, value),
        listed([job.number for job in jobs]),
        Spread.of([record.finetuned for record in records]),
        Spread.of([record.difference for record in records]),
    )


def _is_balanced(jobs: list[JobFacts], keys: list[str]) -> bool:
    """Only then is the mean of a value free of what the other keys do."""
    counts = Counter(tuple(_value(job, key) for key in keys) for job in jobs)
    whole = 1
    for key in keys:
        whole *= len({_value(job, key) for job in jobs})
    return len(counts) == whole and len(set(counts.values())) == 1

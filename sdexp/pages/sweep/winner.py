"""Which configuration of a sweep is called the best, and how far to believe it."""

import math
from typing import Any

from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.leads import Standing, lead_words
from sdexp.pages.sweep.ranking import Group
from sdexp.pages.words import number


def best_line(sweep: Sweep, standing: Standing | None) -> str:
    """The best configuration in one sentence."""
    if standing is None:
        done = any(job.status == "finished" for job in sweep.jobs)
        return "Trained, not evaluated: none is best." if done else "No job has finished."
    order = standing.order
    name = standing.metric
    if len(order) == 1:
        return f"One configuration was scored{': ' if order[0].label else ''}{order[0].label}."
    if standing.named:
        return f"Best on {name}: {order[0].label}."
    better = [group.label for group in standing.better]
    if not better:
        return f"No winner yet: none is better than the original on {name}."
    told = f" ({better[0]})" if len(better) == 1 else ""
    is_or_are = "is" if len(better) == 1 else "are"
    return (
        f"{len(better)} of {len(order)} {is_or_are} better than the original on {name}{told}; "
        "none is shown to lead."
    )


def numbers_line(standing: Standing | None) -> str:
    """The primary metric of the first configuration."""
    if standing is None:
        return ""
    name = standing.metric
    best = standing.order[0]
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


def doubts(standing: Standing | None) -> list[str]:
    """What stands between the first configuration and believing in it."""
    if standing is None:
        return []
    order = standing.order
    name = standing.metric
    lines = []
    if len(order) > 1 and order[0] not in standing.better:
        lines = [_first_line(order, name)]
    elif len(order) > 1:
        lines = [_lead_line(standing), *lead_words(standing)]
    if standing.named:
        lines += [_curse_line(order[0], len(order)), *_scored_again(order[0])]
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


def _lead_line(standing: Standing) -> str:
    """Whether the first leads by more than seeds, or else prompts, explain."""
    order = standing.order
    name = standing.metric
    first, second = (group.column(name, "finetuned") for group in order[:2])
    assert first and second
    lead = f"Its lead over the second ({order[1].label}) is {number(abs(first.mean - second.mean))}"
    spreads = [spread.sd for spread in (first, second) if spread.sd is not None]
    if not spreads:
        is_told = standing.leads is not None
        return f"{lead}." if is_told else f"{lead}. {_interval_words(order, name)}"
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


def seed_rows(sweep: Sweep, standing: Standing | None) -> list[dict[str, Any]]:
    """Configurations with their seeds averaged, the best on the primary metric first.

    Empty when no configuration has more than one seed.
    """
    if standing is None or all(len(group.counted) < 2 for group in standing.order):
        return []
    rows = []
    for place, group in enumerate(standing.order, start=1):
        keys = ("finetuned", "difference")
        cells = {n: [group.column(n, key) for key in keys] for n in sweep.metric_names}
        seeds = [job.seed for job in group.counted]
        best = place == 1 and standing.named
        row = {"place": place, "group": group, "cells": cells, "seeds": seeds, "best": best}
        rows.append(row)
    return rows

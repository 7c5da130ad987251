"""Whether the first configuration of a sweep leads the others, prompt by prompt."""

from dataclasses import dataclass

import numpy as np

from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.ranking import Group, higher_is_better, is_better, ranked
from sdexp.pages.words import number
from sdexp.stats.comparison import SIGNIFICANCE
from sdexp.stats.leads import leads


@dataclass(frozen=True)
class Lead:
    """The first configuration against another by the same prompts, seeds averaged.

    ci95: of the difference; p: adjusted for all the others.
    """

    over: Group
    difference: float
    ci95: tuple[float, float] | None
    p: float

    @property
    def is_shown(self) -> bool:
        return self.p < SIGNIFICANCE


@dataclass(frozen=True)
class Standing:
    """The configurations by the metric that ranks, the best mean first.

    better: those that beat the original with every seed, after Holm's correction; leads: the first
    over each other, None where that cannot be told prompt by prompt; named: whether the first may
    be called the best.
    """

    metric: str
    order: list[Group]
    better: list[Group]
    leads: list[Lead] | None
    named: bool


def standing_of(sweep: Sweep, groups: list[Group]) -> Standing | None:
    """None where no run has a score."""
    metric = sweep.primary
    if metric is None:
        return None
    order = ranked(groups, metric)
    better = [group for group in order if is_better(group, groups, metric)]
    values = [_values(group, metric) for group in order]
    found = _leads(order, values)
    # A Frechet distance has neither interval nor prompts; then beating the original must do.
    leads_all = all(lead.is_shown for lead in found or [])
    if found is None:
        leads_all = not any(_has_interval(group, metric) for group in order)
    named = order[0] in better and len(order) > 1 and leads_all
    return Standing(metric, order, better, found, named)


def _leads(order: list[Group], values: list[dict[str, float]]) -> list[Lead] | None:
    if not all(values) or len({tuple(one) for one in values}) != 1:
        return None
    best, *others = (np.array([*one.values()]) for one in values)
    return [
        Lead(group, comparison.difference, comparison.ci95, p)
        for group, (comparison, p) in zip(order[1:], leads(best, others), strict=True)
    ]


def _has_interval(group: Group, metric: str) -> bool:
    records = [job.metrics[metric] for job in group.counted if metric in job.metrics]
    return any(record.ci95 is not None for record in records)


def _values(group: Group, metric: str) -> dict[str, float]:
    """By prompt the finetuned model's value, the mean over seeds; nothing where seeds differ."""
    runs = [_of_run(job, metric) for job in group.counted if metric in job.metrics]
    if len({tuple(one) for one in runs}) != 1:
        return {}
    return {prompt: float(np.mean([one[prompt] for one in runs])) for prompt in runs[0]}


def _of_run(job: JobFacts, metric: str) -> dict[str, float]:
    rows = [row for row in job.facts.prompts if row.model == "finetuned" and metric in row.values]
    return dict(sorted((row.prompt_id, row.values[metric]) for row in rows))


def lead_words(standing: Standing) -> list[str]:
    """Whether the lead of the first is shown over all others, or over which not."""
    found = standing.leads
    if not found:
        return []
    first = standing.order[0].label
    better = "higher" if higher_is_better(standing.order, standing.metric) else "lower"
    open_ones = [lead for lead in found if not lead.is_shown]
    if open_ones:
        names = "; ".join(f"{lead.over.label} (p {lead.p:.3f})" for lead in open_ones)
        return [
            f"That {first} is {better} than these is not shown by the same prompts, after Holm's "
            f"correction: {names}."
        ]
    closest = found[0]
    between = ""
    if closest.ci95:
        low, high = (number(bound, True) for bound in closest.ci95)
        between = f", 95 % interval {low} to {high}"
    return [
        f"By the same prompts it is {better} than every other, also after Holm's correction (than "
        f"{closest.over.label} by {number(closest.difference, True)}{between})."
    ]

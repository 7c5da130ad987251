"""What can be said of two models by one metric: difference, chance, power, verdict."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Verdict = Literal["better", "worse", "too small to matter", "underpowered", "no evidence"]

SIGNIFICANCE = 0.05
# A difference counts as detectable when nine of ten repeats would find it.
POWER = 0.9
# Fewer prompts have fewer than 40 sign vectors, and then no p is below 0.05.
LEAST_PROMPTS = 6
MOST_PROMPTS = 10_000_000


@dataclass(frozen=True)
class Comparison:
    """The scores of both models and what can be said of finetuned minus original.

    ci95: the 95% interval of `difference`, None where the metric or the number of prompts allows
    none. least_p: the smallest p that so many prompts allow. error: the standard error of
    `difference` over prompts, infinite with a single one. effect_size: `difference` in standard
    deviations of the prompts' differences (Cohen's d of pairs), None where a prompt has none.
    win_rate: the share of prompts whose difference is above zero, ties by half, None likewise.
    values: what each prompt adds to a distance, [P] of the original and of the finetuned model.
    """

    original: float
    finetuned: float
    difference: float
    ci95: tuple[float, float] | None
    p: float
    least_p: float
    error: float
    prompts: int
    effect_size: float | None = None
    win_rate: float | None = None
    values: tuple[np.ndarray, np.ndarray] | None = field(default=None, compare=False, repr=False)

    @property
    def minimum_detectable_effect(self) -> float:
        """The true difference that so many prompts find with `POWER` at the 5% level."""
        return detectable(self.error, self.prompts)

    def needed_prompts(self, effect: float) -> int | None:
        """How many prompts find a true difference of `effect`; None where none is enough."""
        return needed(self.error * self.prompts**0.5, effect)


def detectable(error: float, prompts: int) -> float:
    """The true mean that a two-sided 5% t test of `prompts` finds with `POWER`.

    error: the mean's standard error. (t_0.975 + t_0.9) with prompts - 1 degrees of freedom times
    the error (Cohen 1988, chapter 2). Infinite with fewer prompts than can give p below 0.05.
    """
    if prompts < LEAST_PROMPTS:
        return math.inf
    # Here, because it takes longer to load than a door may take to check a config.
    from scipy.special import stdtrit

    reach = stdtrit(prompts - 1, 1 - SIGNIFICANCE / 2) + stdtrit(prompts - 1, POWER)
    return float(reach) * error


def needed(spread: float, effect: float) -> int | None:
    """The fewest prompts by which a true mean of `effect` is detectable.

    spread: the standard deviation of the prompts' differences. None where `MOST_PROMPTS` are not
    enough, as for an effect of 0.
    """

    def is_enough(prompts: int) -> bool:
        return detectable(spread / prompts**0.5, prompts) <= effect

    counts = range(LEAST_PROMPTS, MOST_PROMPTS + 1)
    return counts[bisect_left(counts, True, key=is_enough)] if is_enough(counts[-1]) else None


def verdict(comparison: Comparison, higher_is_better: bool, smallest_effect: float) -> Verdict:
    """What a difference says, where one below `smallest_effect` would not matter.

    "better" and "worse" ask for all of p below 0.05, an interval without 0, where there is one, and
    a difference of at least `smallest_effect`. Equal scores are never either.
    """
    difference = comparison.difference
    interval = comparison.ci95
    is_seen = comparison.p < SIGNIFICANCE and not (interval and interval[0] <= 0 <= interval[1])
    if is_seen and difference != 0 and abs(difference) >= smallest_effect:
        return "better" if (difference > 0) == higher_is_better else "worse"
    if interval and -smallest_effect <= interval[0] and interval[1] <= smallest_effect:
        return "too small to matter"
    if comparison.minimum_detectable_effect > smallest_effect:
        return "underpowered"
    return "no evidence"


def wilson(rate: float, count: int) -> tuple[float, float]:
    """The 95% interval of a share `rate` of `count` (Wilson 1927); a bound is in [0, 1]."""
    z = 1.959963984540054
    centre = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * (rate * (1 - rate) / count + z**2 / (4 * count**2)) ** 0.5
    return max(0.0, centre - reach), min(1.0, centre + reach)

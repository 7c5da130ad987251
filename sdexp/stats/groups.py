"""Two groups of prompts that have nothing to do with each other."""

from dataclasses import dataclass

import numpy as np

from sdexp.stats.comparison import SIGNIFICANCE


@dataclass(frozen=True)
class GroupComparison:
    """Difference of two means, its 95% interval and p; None with a group of fewer than two."""

    difference: float
    ci95: tuple[float, float] | None
    p: float | None


def compare_groups(first: np.ndarray, second: np.ndarray) -> GroupComparison:
    """Mean of first [N] less mean of second [M], by Welch's t test (Welch 1947).

    Raises `ValueError` for a group without a number.
    """
    if not (len(first) and len(second)):
        raise ValueError(f"groups of {len(first)} and {len(second)}; both need a number")
    difference = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return GroupComparison(difference, None, None)
    from scipy.special import stdtr, stdtrit

    parts = [float(group.var(ddof=1)) / len(group) for group in (first, second)]
    error = sum(parts) ** 0.5
    if error == 0:
        return GroupComparison(difference, (difference, difference), float(difference == 0))
    sizes = (len(first), len(second))
    shares = [part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True)]
    freedom = error**4 / sum(shares)
    reach = float(stdtrit(freedom, 1 - SIGNIFICANCE / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(difference) / error))
    return GroupComparison(difference, (difference - reach, difference + reach), p)

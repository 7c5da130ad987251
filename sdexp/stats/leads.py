"""Whether one of several models leads the others by the same prompts."""

import numpy as np

from sdexp.stats.comparison import Comparison
from sdexp.stats.multiple import holm
from sdexp.stats.paired import compare_means

PERMUTATIONS = 1999


def leads(best: np.ndarray, others: list[np.ndarray]) -> list[tuple[Comparison, float]]:
    """For each other [P] the comparison best minus other, and its p adjusted for all of them.

    Values of a prompt belong together: signs are flipped prompt by prompt (`compare_means`). The
    best was chosen by the same values, so that a small p over some others says less than it seems;
    that it leads all of them is asked at once, which equals seldom pass. Raises `ValueError` for
    values of unequal shape.
    """
    rng = np.random.default_rng(0)
    # With fewer, no p of so many could be small after the correction.
    permutations = max(PERMUTATIONS, 100 * len(others))
    found = [compare_means(other[:, None], best[:, None], rng, permutations) for other in others]
    return list(zip(found, holm([one.p for one in found]), strict=True))

"""Labels of two models, swapped within prompts: the one model of chance of every p and interval."""

import math

import numpy as np

from sdexp.stats.comparison import SIGNIFICANCE


def swaps(prompts: int, rng: np.random.Generator, count: int) -> np.ndarray:
    """Which prompts have their labels swapped, bool [M, P]; the first row swaps none.

    All 2^P where those are not more than `count`, else `count` random ones and the first, so that
    the share of rows that are as extreme as the first is a p value of exactly the nominal level
    (Phipson and Smyth 2010).
    """
    if prompts < count.bit_length() and 2**prompts <= count:
        return (np.arange(2**prompts)[:, None] >> np.arange(prompts) & 1).astype(bool)
    rows = rng.integers(2, size=(count + 1, prompts), dtype=np.int8).astype(bool)
    rows[0] = False
    return rows


def least_p(prompts: int, rows: int) -> float:
    """The smallest p of so many prompts: swapping all of them is as extreme as swapping none."""
    return max(2.0 ** (1 - prompts), 1 / rows)


def kept_row(rows: int) -> int:
    """How many rows must be as extreme for a value to stay inside the 95% interval."""
    return math.ceil(SIGNIFICANCE * rows - 1e-9)

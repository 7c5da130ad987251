"""Paired comparison of two models: the prompt is the unit, replicates are only averaged."""

import numpy as np

from sdexp.stats.comparison import Comparison
from sdexp.stats.signs import kept_row, least_p, swaps

# Sums of equal terms in another order differ by rounding; such ties must count as ties.
TIE = 1e-10
# Rows of swaps that are multiplied at once.
CHUNK = 1000


def compare_means(
    original: np.ndarray, finetuned: np.ndarray, rng: np.random.Generator, permutations: int
) -> Comparison:
    """Compare per-picture scores, each [P, R] of P prompts and R replicates.

    p: the share of sign flips of the prompts' differences whose mean is as far from 0. Interval:
    the means that the same flips do not refuse at the 5% level, so that it holds 0 just where p is
    not below 0.05 (typical values, Hartigan 1969); it asks that the differences are symmetric about
    their mean. Exact where 2^P is at most `permutations`, else over that many random flips. Raises
    `ValueError` for scores of unequal shape, without a prompt or not finite.
    """
    _check(original, finetuned)
    differences = (finetuned - original).mean(axis=1, dtype=np.float64)
    prompts = len(differences)
    flips = swaps(prompts, rng, permutations)
    low, high = _typical(differences, flips)
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) if prompts > 1 else np.inf
    return Comparison(
        original=float(original.mean(dtype=np.float64)),
        finetuned=float(finetuned.mean(dtype=np.float64)),
        difference=mean,
        ci95=_interval(low, high),
        p=_share(mean, low, high, TIE * float(np.abs(differences).mean())),
        least_p=least_p(prompts, len(flips)),
        error=spread / prompts**0.5,
        prompts=prompts,
        effect_size=mean / spread if 0 < spread < np.inf else None,
        win_rate=float((np.sign(differences) + 1).mean() / 2),
    )


def _check(original: np.ndarray, finetuned: np.ndarray) -> None:
    if original.shape != finetuned.shape or original.ndim != 2 or original.size == 0:
        raise ValueError(
            f"scores of shapes {original.shape} and {finetuned.shape}; both must be [P, R]"
        )
    if not (np.isfinite(original).all() and np.isfinite(finetuned).all()):
        raise ValueError("a score is not a finite number")


def _typical(differences: np.ndarray, flips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each flip [M] the smaller and the larger mean of its two halves.

    About a value v below the mean of all, the flipped sum is as far from 0 as the plain one just
    where the mean of a half, the flipped or the other prompts, is at most v; above the mean
    likewise. A half without a prompt is infinitely far, on both sides.
    """
    parts = [
        _halves(differences, flips[start : start + CHUNK]) for start in range(0, len(flips), CHUNK)
    ]
    low, high = (np.concatenate(values) for values in zip(*parts, strict=True))
    return low, high


def _halves(differences: np.ndarray, flips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.stack([flips.sum(axis=1), (~flips).sum(axis=1)])
    sums = np.stack([flips @ differences, ~flips @ differences])
    means = sums / np.maximum(sizes, 1)
    is_empty = (sizes == 0).any(axis=0)
    low = np.where(is_empty, -np.inf, means.min(axis=0))
    high = np.where(is_empty, np.inf, means.max(axis=0))
    return low, high


def _share(mean: float, low: np.ndarray, high: np.ndarray, tie: float) -> float:
    """The share of flips by which the mean is as far from 0."""
    as_far = low <= tie if mean > 0 else high >= -tie
    return float(as_far.mean()) if mean else 1.0


def _interval(low: np.ndarray, high: np.ndarray) -> tuple[float, float] | None:
    kept = kept_row(len(low))
    bounds = float(np.sort(low)[kept - 1]), float(np.sort(high)[-kept])
    return bounds if np.isfinite(bounds).all() else None

"""Paired comparison of two models: the prompt is the unit, replicates are only averaged."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

EXACT_PROMPTS = 12
SIGNIFICANCE = 0.05
# Normal quantiles of the two-sided 5% level (1.96) and of 80% power (0.84).
POWER_FACTOR = 2.8
# Sums of equal terms in another order differ by rounding; such ties must count as ties.
TIE = 1e-10


@dataclass(frozen=True)
class Comparison:
    """The scores of both models and what can be said of finetuned minus original.

    `ci95` is the 95% interval of `difference`, None where the metric or the number of prompts
    allows none; `minimum_detectable_effect` is the true difference found with 80% power at the
    5% level, infinite with a single prompt.
    """

    original: float
    finetuned: float
    difference: float
    ci95: tuple[float, float] | None
    p: float
    minimum_detectable_effect: float


def compare_means(
    original: np.ndarray,
    finetuned: np.ndarray,
    rng: np.random.Generator,
    resamples: int = 10_000,
    permutations: int = 10_000,
) -> Comparison:
    """Compare per-picture scores, each [P, R] of P prompts and R replicates.

    Interval: percentile bootstrap over prompts (Efron and Tibshirani 1993, chapter 13).
    p: two-sided sign flips of the prompt means, exact up to 12 prompts, else (b + 1) / (m + 1)
    of m random flips (Phipson and Smyth 2010). A single prompt gives no interval and p = 1.
    Raises `ValueError` for scores of unequal shape, without a prompt or not finite.
    """
    _check(original, finetuned)
    differences = (finetuned - original).mean(axis=1, dtype=np.float64)
    prompts = len(differences)
    spread = float(differences.std(ddof=1)) if prompts > 1 else np.inf
    return Comparison(
        original=float(original.mean(dtype=np.float64)),
        finetuned=float(finetuned.mean(dtype=np.float64)),
        difference=float(differences.mean()),
        ci95=_bootstrap(differences, rng, resamples) if prompts > 1 else None,
        p=_sign_flip(differences, rng, permutations),
        minimum_detectable_effect=POWER_FACTOR * spread / prompts**0.5,
    )


def verdict(
    comparison: Comparison, higher_is_better: bool, smallest_effect: float
) -> Literal["better", "worse", "no evidence", "underpowered"]:
    """One of "better", "worse", "underpowered" and "no evidence".

    smallest_effect: the least difference worth knowing, in the unit of the metric.
    """
    if comparison.p < SIGNIFICANCE and comparison.difference != 0:
        return "better" if (comparison.difference > 0) == higher_is_better else "worse"
    if comparison.minimum_detectable_effect > smallest_effect:
        return "underpowered"
    return "no evidence"


def _check(original: np.ndarray, finetuned: np.ndarray) -> None:
    if original.shape != finetuned.shape or original.ndim != 2 or original.size == 0:
        raise ValueError(
            f"scores of shapes {original.shape} and {finetuned.shape}; both must be [P, R]"
        )
    if not (np.isfinite(original).all() and np.isfinite(finetuned).all()):
        raise ValueError("a score is not a finite number")


def _bootstrap(
    differences: np.ndarray, rng: np.random.Generator, resamples: int
) -> tuple[float, float]:
    prompts = len(differences)
    means = [differences[rng.integers(prompts, size=prompts)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _sign_flip(differences: np.ndarray, rng: np.random.Generator, permutations: int) -> float:
    prompts = len(differences)
    least = abs(differences.sum()) - TIE * np.abs(differences).sum()
    if prompts <= EXACT_PROMPTS:
        bits = np.arange(2**prompts)[:, None] >> np.arange(prompts) & 1
        return float((np.abs((2 * bits - 1) @ differences) >= least).mean())
    as_far = sum(
        abs((2 * rng.integers(2, size=prompts) - 1) @ differences) >= least
        for _ in range(permutations)
    )
    return float((as_far + 1) / (permutations + 1))

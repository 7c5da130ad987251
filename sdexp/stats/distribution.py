"""Paired comparison of two models' distances to the same real features."""

import numpy as np

from sdexp.stats.comparison import SIGNIFICANCE, Comparison
from sdexp.stats.distances import AbstractDistance, Swapped
from sdexp.stats.signs import kept_row, least_p, swaps

# Distances of equal sets in another order differ by rounding; such ties must count as ties.
TIE = 1e-9


def compare_distributions(
    original: np.ndarray,
    finetuned: np.ndarray,
    distance: AbstractDistance,
    rng: np.random.Generator,
    permutations: int,
) -> Comparison:
    """Compare the distances of two sets of features, each [P, R, d], to the same real features.

    p: the share of swaps of the models' labels within prompts, all replicates of a prompt together,
    whose difference is as far from 0. Where the distance has a standard error, "far" is measured
    in standard errors of the swap itself, and the interval is the difference plus and minus as
    many of them as the same swaps leave at the 5% level: it holds 0 just where p is not below 0.05.
    Elsewhere the error is the spread of the swapped differences, and there is no interval. Equal
    features give a difference of 0 and p = 1. Raises `ValueError` for unequal shapes and for fewer
    than two pictures.
    """
    _check_shapes(original, finetuned)
    prompts, _, width = original.shape
    before = distance(original.reshape(-1, width))
    labels = swaps(prompts, rng, permutations)
    least = least_p(prompts, len(labels))
    if np.array_equal(original, finetuned):
        interval = (0.0, 0.0) if distance.has_error and least < SIGNIFICANCE else None
        return Comparison(before, before, 0.0, interval, 1.0, least, 0.0, prompts)
    after = distance(finetuned.reshape(-1, width))
    swapped = distance.swapped(np.stack([original, finetuned]), labels)
    rounding = TIE * max(abs(before), abs(after))
    far = _far(swapped, rounding)
    tie = rounding if swapped.errors is None else rounding / max(swapped.errors[0], rounding)
    error, interval = _error(swapped, far, least)
    p = float((far >= far[0] - tie).mean())
    return Comparison(before, after, after - before, interval, p, least, error, prompts)


def _check_shapes(original: np.ndarray, finetuned: np.ndarray) -> None:
    if original.shape != finetuned.shape or original.ndim != 3:
        raise ValueError(
            f"features of shapes {original.shape} and {finetuned.shape}; both must be [P, R, d]"
        )


def _far(swapped: Swapped, rounding: float) -> np.ndarray:
    """How far from 0 the difference of each swap is, in its standard errors where it has one."""
    sizes: np.ndarray = np.abs(swapped.differences)
    if swapped.errors is None:
        return sizes
    ratios: np.ndarray = sizes / np.maximum(swapped.errors, rounding)
    return ratios


def _error(
    swapped: Swapped, far: np.ndarray, least: float
) -> tuple[float, tuple[float, float] | None]:
    """The standard error of the difference, and its 95% interval."""
    if swapped.errors is None:
        return float(swapped.differences.std()), None
    error = float(swapped.errors[0])
    if least >= SIGNIFICANCE or not np.isfinite(error):
        return np.inf, None
    centre = float(swapped.differences[0])
    reach = float(np.sort(far)[-kept_row(len(far))]) * error
    return error, (centre - reach, centre + reach)

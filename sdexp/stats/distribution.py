"""Paired comparison of two models' distances to the same real features."""

from dataclasses import replace

import numpy as np

from sdexp.stats.comparison import Comparison
from sdexp.stats.distances import AbstractDistance
from sdexp.stats.paired import compare_means
from sdexp.stats.signs import least_p, swaps

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

    A distance that is known without each prompt is compared by the prompts' pseudo-values (Efron
    and Tibshirani 1993, chapter 11), P D - (P - 1) D without the prompt, of the difference D, as
    `compare_means` compares a mean: to first order the flip of a pseudo-value is the swap of the
    prompt's labels, and interval and p come from the same flips. Elsewhere p is the share of swaps
    of the labels within prompts, all replicates of a prompt together, whose difference is as far
    from 0, the error is the spread of those differences, and there is no interval. Equal features
    give a difference of 0 and p = 1. Raises `ValueError` for unequal shapes and for fewer than two
    pictures.
    """
    _check_shapes(original, finetuned)
    width = original.shape[-1]
    before = distance(original.reshape(-1, width))
    after = distance(finetuned.reshape(-1, width))
    of_original = pseudo_values(original, distance)
    of_finetuned = pseudo_values(finetuned, distance)
    if of_original is None or of_finetuned is None:
        return _by_swaps(
            np.stack([original, finetuned]), before, after, distance, rng, permutations
        )
    values = (of_finetuned - of_original)[:, None]
    found = compare_means(np.zeros_like(values), values, rng, permutations)
    # A pseudo-value is no score of a prompt.
    bare = replace(found, effect_size=None, win_rate=None, values=(of_original, of_finetuned))
    return replace(bare, original=before, finetuned=after, difference=after - before)


def _check_shapes(original: np.ndarray, finetuned: np.ndarray) -> None:
    if original.shape != finetuned.shape or original.ndim != 3:
        raise ValueError(
            f"features of shapes {original.shape} and {finetuned.shape}; both must be [P, R, d]"
        )


def pseudo_values(features: np.ndarray, distance: AbstractDistance) -> np.ndarray | None:
    """What each prompt of features [P, R, d] adds to their distance, [P], with that as the mean.

    P D - (P - 1) D without the prompt, moved so that their mean is D. None where leaving prompts
    out says nothing, or leaves fewer than two pictures.
    """
    prompts, replicates, width = features.shape
    if (prompts - 1) * replicates < 2:
        return None
    without = distance.without_each(features)
    if without is None:
        return None
    values: np.ndarray = -(prompts - 1) * without
    return values - values.mean() + distance(features.reshape(-1, width))


def _by_swaps(
    features: np.ndarray,
    before: float,
    after: float,
    distance: AbstractDistance,
    rng: np.random.Generator,
    permutations: int,
) -> Comparison:
    prompts = features.shape[1]
    labels = swaps(prompts, rng, permutations)
    least = least_p(prompts, len(labels))
    if np.array_equal(*features):
        return Comparison(before, before, 0.0, None, 1.0, least, 0.0, prompts)
    null = distance.swapped(features, labels)
    far = abs(after - before) - TIE * max(abs(before), abs(after))
    p = float((np.abs(null) >= far).mean())
    error = float(null.std()) if prompts > 1 else np.inf
    return Comparison(before, after, after - before, None, p, least, error, prompts)

"""Whether made pictures lie nearer to the training pictures than chance explains."""

import math
from dataclasses import dataclass

import numpy as np

# A picture is a suspect that lies nearer than this share of the real ones.
QUANTILE = 0.99


@dataclass(frozen=True)
class Neighbours:
    """Of each of N pictures the place of the nearest one among others, and their cosine."""

    places: np.ndarray
    cosines: np.ndarray


def nearest(features: np.ndarray, others: np.ndarray) -> Neighbours:
    """The nearest of `others` [M, d] to each of `features` [N, d], by cosine."""
    likeness = cosine_table(features, others)
    places = likeness.argmax(axis=1)
    return Neighbours(places, likeness[np.arange(len(places)), places])


def cosine_table(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[N, M] of features [N, d] and [M, d]."""
    table: np.ndarray = _unit(features) @ _unit(others).T
    return table


def threshold(cosines: np.ndarray) -> tuple[float, float]:
    """The cosine that `QUANTILE` of these do not exceed, or the largest of few.

    And the chance of one more of their kind to exceed it: with the k-th smallest of n, 1 - k/(n+1).
    """
    count = len(cosines)
    rank = min(count, math.ceil(QUANTILE * (count + 1)))
    return float(np.sort(cosines)[rank - 1]), 1 - rank / (count + 1)


def nearer_to_training(
    made: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    rng: np.random.Generator,
    permutations: int,
) -> float:
    """p of made pictures lying nearer to their nearest training picture than to a held-out one.

    Features: [N, d] of made, [M, d] of training and [K, d] of held-out pictures that none of the
    made ones was asked for; of the larger kind as many are drawn as there are of the other. Where
    no training picture was copied, which of the real ones trained makes no difference: p is the
    share of random halves of them that the made pictures lie as much nearer to (after Meehan et
    al. 2020, arXiv 2004.05675, with permutations in the place of ranks). One-sided: a model that
    only makes what is typical lies as near to the one kind as to the other.
    """
    count = min(len(train), len(held_out))
    pool = [one[rng.permutation(len(one))[:count]] for one in (train, held_out)]
    table = cosine_table(made, np.concatenate(pool))
    seen = np.arange(2 * count) < count
    found = _lead(table, seen)
    as_far = sum(_lead(table, rng.permutation(seen)) >= found for _ in range(permutations))
    return (1 + as_far) / (1 + permutations)


def _lead(table: np.ndarray, is_first: np.ndarray) -> float:
    """By how much rows are nearer to the nearest of the first kind."""
    return float((table[:, is_first].max(axis=1) - table[:, ~is_first].max(axis=1)).mean())


def _unit(features: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = features / np.linalg.norm(features, axis=1, keepdims=True)
    return scaled

"""Features of made-up pictures."""

from collections.abc import Callable

import numpy as np

from sdexp.stats.distances import (
    AbstractDistance,
    FrechetDistance,
    KernelDistance,
    cubic_kernel,
)

Kind = Callable[[np.ndarray], AbstractDistance]


def kernel(reference: np.ndarray) -> KernelDistance:
    return KernelDistance(reference, cubic_kernel)


DISTANCES: list[Kind] = [FrechetDistance, kernel]


def cloud(count: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(shift, 1, size=(count, width))
    return points / np.arange(1, width + 1) ** 0.5


def models(prompts: int, shift: float = 0.0, replicates: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Features of original and finetuned, each [P, R, 6]."""
    width = 6
    original = cloud(prompts * replicates, width, 1).reshape(prompts, replicates, width)
    noise = cloud(prompts * replicates, width, 2, shift).reshape(original.shape)
    return original, original + 0.5 * noise

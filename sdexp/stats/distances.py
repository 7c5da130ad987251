"""Distances between sets of features.

What depends on the real features alone is computed once, because an inference asks for the same
distance a thousand times.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Sigma of the Gaussian kernel, as CMMD has it for features of length 1.
GAUSSIAN_WIDTH = 10.0
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


class AbstractDistance(ABC):
    """The distance of a set of features to fixed real features."""

    @abstractmethod
    def __call__(self, features: np.ndarray) -> float:
        """The distance of features [N, d]."""

    def without_each(self, features: np.ndarray) -> np.ndarray | None:
        """The distances of features [P, R, d] without each prompt, [P].

        None where leaving prompts out says nothing of chance.
        """
        return None

    def swapped(self, features: np.ndarray, swaps: np.ndarray) -> np.ndarray:
        """Finetuned minus original where prompts have their labels swapped, [M].

        features: original and finetuned, [2, P, R, d]; swaps: bool [M, P].
        """
        width = features.shape[-1]
        prompts = np.arange(swaps.shape[1])

        def side(labels: np.ndarray) -> float:
            return self(features[labels.astype(int), prompts].reshape(-1, width))

        return np.array([side(~labels) - side(labels) for labels in swaps])


@dataclass(frozen=True, eq=False)
class PlainDistance(AbstractDistance):
    """A statistic of features [N, d] and reference [M, d], with nothing computed ahead."""

    statistic: Callable[[np.ndarray, np.ndarray], float]
    reference: np.ndarray

    def __call__(self, features: np.ndarray) -> float:
        """The statistic of features [N, d]."""
        return self.statistic(features, self.reference)


@dataclass(frozen=True, eq=False)
class FrechetDistance(AbstractDistance):
    """Frechet distance of the Gaussians fitted to features and to reference [M, d].

    |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)) (Heusel et al. 2017, arXiv 1706.08500) with
    the unbiased covariances. With S1 = A'A and S2 = B'B the last trace is the nuclear norm of AB',
    exact for every rank, so that neither sqrtm nor complex eigenvalues are needed. Nothing is
    clamped: equal sets may give a rounding error below zero. Biased upwards in small samples, and
    resampling with duplicates is wrong for it: it has no standard error.
    """

    reference: np.ndarray

    @cached_property
    def _mean(self) -> np.ndarray:
        mean: np.ndarray = checked(self.reference).mean(axis=0)
        return mean

    @cached_property
    def _root(self) -> np.ndarray:
        root = _centred(self.reference)
        if len(root) > root.shape[1]:
            # The triangular factor has the same Gram matrix and only d rows.
            root = np.asarray(np.linalg.qr(root, mode="r"))
        return root

    def __call__(self, features: np.ndarray) -> float:
        """The distance of features [N, d]; raises `ValueError` for N < 2 or a value not finite."""
        root = _centred(features)
        shift = checked(features).mean(axis=0) - self._mean
        traces = np.sum(root**2) + np.sum(self._root**2)
        return float(shift @ shift + traces - 2 * np.linalg.norm(root @ self._root.T, "nuc"))

    def swapped(self, features: np.ndarray, swaps: np.ndarray) -> np.ndarray:
        """As above, from products of all features that are computed once."""
        _, prompts, replicates, width = features.shape
        points = checked(features.reshape(-1, width)) - self._mean
        products = points @ self._root.T
        if products.shape[1] > len(products):
            # Of any of its rows the singular values are those of the triangular factor's.
            products = np.asarray(np.linalg.qr(products.T, mode="r")).T
        parts = _Parts(points, products)
        places = np.arange(len(points)).reshape(2, prompts, replicates)
        own = np.arange(prompts)

        def side(labels: np.ndarray) -> float:
            return parts.distance(places[labels.astype(int), own].ravel())

        return np.array([side(~labels) - side(labels) for labels in swaps])


@dataclass(frozen=True)
class _Parts:
    """Features less the real mean, and their products with the real root."""

    points: np.ndarray
    products: np.ndarray

    @cached_property
    def _squares(self) -> np.ndarray:
        squares: np.ndarray = (self.points**2).sum(axis=1)
        return squares

    def distance(self, rows: np.ndarray) -> float:
        """The Frechet distance of some of the features, less the real trace."""
        count = len(rows)
        mean = self.points[rows].mean(axis=0)
        shift = mean @ mean
        products = self.products[rows]
        root = (products - products.mean(axis=0)) / (count - 1) ** 0.5
        trace = (self._squares[rows].sum() - count * shift) / (count - 1)
        return float(shift + trace - 2 * np.linalg.norm(root, "nuc"))


@dataclass(frozen=True, eq=False)
class KernelDistance(AbstractDistance):
    """Squared maximum mean discrepancy to reference [M, d], times `scale`.

    The unbiased U-statistic of the whole sample (Gretton et al. 2012, lemma 6); may be below zero.
    """

    reference: np.ndarray
    kernel: Kernel
    scale: float = 1.0

    @cached_property
    def _within(self) -> float:
        points = checked(self.reference)
        gram = self.kernel(points, points)
        return float((gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1)))

    def __call__(self, features: np.ndarray) -> float:
        """The distance of features [N, d]; raises `ValueError` for N < 2 or a value not finite."""
        points = checked(features)
        gram = self.kernel(points, points)
        inner = (gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1))
        across = self.kernel(points, checked(self.reference)).mean()
        return float(self.scale * (inner + self._within - 2 * across))

    def without_each(self, features: np.ndarray) -> np.ndarray | None:
        prompts, replicates, width = features.shape
        points = checked(features.reshape(-1, width))
        gram = self.kernel(points, points)
        pairs = gram.reshape(prompts, replicates, prompts, replicates).sum(axis=(1, 3))
        own = np.diagonal(gram).reshape(prompts, replicates).sum(axis=1)
        across = self.kernel(points, checked(self.reference)).mean(axis=1)
        seen = across.reshape(prompts, replicates).sum(axis=1)
        left = (prompts - 1) * replicates
        # A prompt's row and column go, and what stands in both only once.
        inner = pairs.sum() - own.sum() - 2 * (pairs.sum(axis=1) - own) + np.diagonal(pairs) - own
        outer = seen.sum() - seen
        distances: np.ndarray = inner / (left * (left - 1)) + self._within - 2 * outer / left
        return self.scale * distances


def cubic_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x.y / d + 1)^3 of x [N, d] and y [M, d] (Binkowski et al. 2018, arXiv 1801.01401)."""
    base = x @ y.T / x.shape[1] + 1
    cube: np.ndarray = base * base * base
    return cube


def gaussian_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """exp(-|x - y|^2 / 200) of x [N, d] and y [M, d] (Jayasumana et al. 2023, arXiv 2401.09603)."""
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    kernel: np.ndarray = np.exp(-squares / (2 * GAUSSIAN_WIDTH**2))
    return kernel


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """`FrechetDistance` of x [N, d] and y [M, d]."""
    return FrechetDistance(y)(x)


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """`KernelDistance` of x [N, d] and y [M, d] with the cubic kernel, not scaled."""
    return KernelDistance(y, cubic_kernel)(x)


def checked(features: np.ndarray) -> np.ndarray:
    """Features [N, d] as float64; raises `ValueError` for N < 2 or a value that is not finite."""
    points = np.asarray(features, dtype=np.float64)
    if points.ndim != 2 or len(points) < 2:
        raise ValueError(f"features of shape {points.shape}; must be [N, d] with at least 2 rows")
    if not np.isfinite(points).all():
        raise ValueError("a feature is not a finite number")
    return points


def _centred(features: np.ndarray) -> np.ndarray:
    points = checked(features)
    centred: np.ndarray = (points - points.mean(axis=0)) / (len(points) - 1) ** 0.5
    return centred

"""Shares of pictures that lie near pictures of another set: fidelity and diversity, told apart."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdexp.stats.distances import AbstractDistance, checked


@dataclass(frozen=True, eq=False)
class AbstractShare(AbstractDistance):
    """A share by the `neighbours` nearest of features [M, d] of real pictures.

    A picture's ball reaches to its k-th nearest other picture of its own set. Values compare only
    at equal numbers of pictures and neighbours.
    """

    reference: np.ndarray
    neighbours: int

    @cached_property
    def reach(self) -> np.ndarray:
        """Radius of each real picture's ball, [M]."""
        return nth_nearest(distances(self.reference, self.reference), self.neighbours)

    def __call__(self, features: np.ndarray) -> float:
        """The share of features [N, d]; raises `ValueError` for N < 2 or a value not finite."""
        points = checked(features)
        return self.share(distances(points, self.reference), distances(points, points))

    def swapped(self, features: np.ndarray, swaps: np.ndarray) -> np.ndarray:
        pool = checked(features.reshape(-1, features.shape[-1]))
        to_real = distances(pool, self.reference)
        among = distances(pool, pool)
        places = np.arange(len(pool)).reshape(features.shape[:3])
        prompts = np.arange(swaps.shape[1])

        def side(labels: np.ndarray) -> float:
            rows = places[labels.astype(int), prompts].ravel()
            return self.share(to_real[rows], among[np.ix_(rows, rows)])

        return np.array([side(~labels) - side(labels) for labels in swaps])

    @abstractmethod
    def share(self, to_real: np.ndarray, among: np.ndarray) -> float:
        """The share by distances of pictures to real ones [N, M] and to each other [N, N]."""


class Precision(AbstractShare):
    """The share of pictures in a real ball (Kynkaanniemi et al. 2019, arXiv 1904.06991)."""

    def share(self, to_real: np.ndarray, among: np.ndarray) -> float:
        return float((to_real <= self.reach).any(axis=1).mean())


class Recall(AbstractShare):
    """The share of real pictures in a picture's ball (the same, equation 2)."""

    def share(self, to_real: np.ndarray, among: np.ndarray) -> float:
        reach = nth_nearest(among, self.neighbours)
        return float((to_real <= reach[:, None]).any(axis=0).mean())


class Density(AbstractShare):
    """Real balls around a picture, over k (Naeem et al. 2020, arXiv 2002.09797); may exceed 1."""

    def share(self, to_real: np.ndarray, among: np.ndarray) -> float:
        return float((to_real < self.reach).sum() / (self.neighbours * len(to_real)))


class Coverage(AbstractShare):
    """The share of real balls with a picture in them (the same, equation 4)."""

    def share(self, to_real: np.ndarray, among: np.ndarray) -> float:
        return float((to_real.min(axis=0) < self.reach).mean())


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances [N, M] of x [N, d] and y [M, d]."""
    left = checked(x)
    right = checked(y)
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    if x is y:
        np.fill_diagonal(squares, 0.0)
    roots: np.ndarray = np.sqrt(np.maximum(squares, 0.0))
    return roots


def nth_nearest(among: np.ndarray, neighbours: int) -> np.ndarray:
    """The distance of each of N points to its n-th nearest other one, from all [N, N]."""
    nearest: np.ndarray = np.partition(among, neighbours, axis=1)[:, neighbours]
    return nearest

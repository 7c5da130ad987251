"""Distances between sets of features, and the paired comparison of two sets with a third.

What depends on the real features alone is computed once, because an inference asks for the same
distance a thousand times.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdexp.stats.paired import POWER_FACTOR, Comparison

# Distances of equal sets in another order differ by rounding; such ties must count as ties.
TIE = 1e-9


class AbstractDistance(ABC):
    """The distance of a set of features to fixed real features."""

    @abstractmethod
    def __call__(self, features: np.ndarray) -> float:
        """The distance of features [N, d]."""

    def over(self, pool: np.ndarray) -> Callable[[np.ndarray], float]:
        """The distance as a function of indices [N] into pool [K, d]."""
        return lambda rows: self(pool[rows])


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
    clamped: equal sets may give a rounding error below zero. Biased upwards in small samples.
    """

    reference: np.ndarray

    @cached_property
    def _mean(self) -> np.ndarray:
        mean: np.ndarray = _checked(self.reference).mean(axis=0)
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
        shift = _checked(features).mean(axis=0) - self._mean
        traces = np.sum(root**2) + np.sum(self._root**2)
        return float(shift @ shift + traces - 2 * np.linalg.norm(root @ self._root.T, "nuc"))


@dataclass(frozen=True, eq=False)
class KernelDistance(AbstractDistance):
    """Squared maximum mean discrepancy to reference [M, d], times `scale`.

    The unbiased U-statistic of the whole sample with the kernel (x.y / d + 1)^3 (Binkowski et al.
    2018, arXiv 1801.01401, section 4); may be below zero.
    """

    reference: np.ndarray
    scale: float = 1.0

    @cached_property
    def _within(self) -> float:
        gram = _kernel(_checked(self.reference), _checked(self.reference))
        return _off_diagonal_mean(gram)

    def __call__(self, features: np.ndarray) -> float:
        """The distance of features [N, d]; raises `ValueError` for N < 2 or a value not finite."""
        return self.over(_checked(features))(np.arange(len(features)))

    def over(self, pool: np.ndarray) -> Callable[[np.ndarray], float]:
        """The distance as a function of indices [N] into pool [K, d]; holds K^2 numbers."""
        points = _checked(pool)
        gram = _kernel(points, points)
        across = _kernel(points, _checked(self.reference)).mean(axis=1)

        def distance(rows: np.ndarray) -> float:
            inner = _off_diagonal_mean(gram[np.ix_(rows, rows)])
            return float(self.scale * (inner + self._within - 2 * across[rows].mean()))

        return distance


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """`FrechetDistance` of x [N, d] and y [M, d]."""
    return FrechetDistance(y)(x)


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """`KernelDistance` of x [N, d] and y [M, d], not scaled."""
    return KernelDistance(y)(x)


def compare_distributions(
    original: np.ndarray,
    finetuned: np.ndarray,
    distance: AbstractDistance,
    *,
    has_interval: bool,
    rng: np.random.Generator,
    permutations: int = 999,
) -> Comparison:
    """Compare the distances of two sets of features, each [P, R, d], to the same real features.

    p: the models' labels are swapped within prompts, all replicates of a prompt together;
    two-sided (b + 1) / (m + 1) of m random swaps. Interval, where has_interval: the difference
    plus and minus t with P - 1 degrees of freedom times the standard error of the jackknife that
    deletes one prompt (Efron and Tibshirani 1993, chapter 11); it holds for these real features.
    The minimum detectable effect takes that error, else the spread of the swapped differences.
    Equal features give a difference of 0, p = 1 and an effect of 0 by definition. Too few
    prompts for a jackknife give no interval and an infinite effect. Raises `ValueError` for
    unequal shapes and for fewer than two pictures.
    """
    _check_shapes(original, finetuned)
    prompts, replicates, width = original.shape
    before = distance(original.reshape(-1, width))
    if np.array_equal(original, finetuned):
        return Comparison(before, before, 0.0, (0.0, 0.0) if has_interval else None, 1.0, 0.0)
    after = distance(finetuned.reshape(-1, width))
    difference = after - before
    at = distance.over(np.concatenate([original, finetuned]).reshape(-1, width))
    rows = np.arange(2 * prompts * replicates).reshape(2, prompts, replicates)
    null = _null(at, rows, rng, permutations)
    least = abs(difference) - TIE * max(abs(before), abs(after))
    p = float(((np.abs(null) >= least).sum() + 1) / (permutations + 1))
    error = _jackknife(at, rows) if has_interval else float(null.std())
    known = has_interval and np.isfinite(error)
    interval = _student(difference, error, prompts) if known else None
    return Comparison(before, after, difference, interval, p, POWER_FACTOR * error)


def _check_shapes(original: np.ndarray, finetuned: np.ndarray) -> None:
    if original.shape != finetuned.shape or original.ndim != 3:
        raise ValueError(
            f"features of shapes {original.shape} and {finetuned.shape}; both must be [P, R, d]"
        )


def _null(
    at: Callable[[np.ndarray], float],
    rows: np.ndarray,
    rng: np.random.Generator,
    permutations: int,
) -> np.ndarray:
    """Differences under random swaps of the labels; rows: places in the pool, [2, P, R]."""
    swaps = rng.integers(2, size=(permutations, rows.shape[1]))
    return np.array([_swapped(at, rows, labels) for labels in swaps])


def _swapped(at: Callable[[np.ndarray], float], rows: np.ndarray, labels: np.ndarray) -> float:
    prompts = np.arange(len(labels))
    return at(rows[1 - labels, prompts].ravel()) - at(rows[labels, prompts].ravel())


def _jackknife(at: Callable[[np.ndarray], float], rows: np.ndarray) -> float:
    prompts, replicates = rows.shape[1:]
    if (prompts - 1) * replicates < 2:
        return np.inf
    without = [np.delete(rows, prompt, axis=1) for prompt in range(prompts)]
    differences = np.array([at(left[1].ravel()) - at(left[0].ravel()) for left in without])
    return float(((prompts - 1) * differences.var()) ** 0.5)


def _student(centre: float, error: float, prompts: int) -> tuple[float, float]:
    # Here, because it takes longer to load than a door may take to check a config.
    from scipy.special import stdtrit

    reach = float(stdtrit(prompts - 1, 0.975)) * error
    return centre - reach, centre + reach


def _checked(features: np.ndarray) -> np.ndarray:
    points = np.asarray(features, dtype=np.float64)
    if points.ndim != 2 or len(points) < 2:
        raise ValueError(f"features of shape {points.shape}; must be [N, d] with at least 2 rows")
    if not np.isfinite(points).all():
        raise ValueError("a feature is not a finite number")
    return points


def _centred(features: np.ndarray) -> np.ndarray:
    points = _checked(features)
    centred: np.ndarray = (points - points.mean(axis=0)) / (len(points) - 1) ** 0.5
    return centred


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / x.shape[1] + 1
    cube: np.ndarray = base * base * base
    return cube


def _off_diagonal_mean(gram: np.ndarray) -> float:
    return float((gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1)))

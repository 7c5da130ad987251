"""Which share of pictures lies near pictures of the other kind: fidelity and diversity."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.ground.checks import at_least
from sdexp.metric.base import AbstractDistributionMetric
from sdexp.stats import neighbours
from sdexp.stats.distances import AbstractDistance


@dataclass(frozen=True)
class AbstractNeighbourMetric(AbstractDistributionMetric):
    """A share by the nearest pictures; `neighbours`: how many of them make a neighbourhood.

    Values compare only at equal numbers of pictures and neighbours.
    """

    higher_is_better: ClassVar[bool] = True
    share: ClassVar[type[neighbours.AbstractShare]]

    neighbours: int

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("metric", 1, neighbours=self.neighbours)

    def least(self) -> int:
        """A neighbourhood needs as many others."""
        return self.neighbours + 1

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The share by real features [M, d]."""
        return self.share(reference_features, self.neighbours)


@dataclass(frozen=True)
class Precision(AbstractNeighbourMetric):
    """The share of pictures that lie among the real ones, in [0, 1]: fidelity."""

    share: ClassVar[type[neighbours.AbstractShare]] = neighbours.Precision


@dataclass(frozen=True)
class Recall(AbstractNeighbourMetric):
    """The share of real pictures that lie among the generated ones, in [0, 1]: diversity."""

    share: ClassVar[type[neighbours.AbstractShare]] = neighbours.Recall


@dataclass(frozen=True)
class Density(AbstractNeighbourMetric):
    """How many real neighbourhoods a picture lies in, over their size; may exceed 1: fidelity."""

    share: ClassVar[type[neighbours.AbstractShare]] = neighbours.Density


@dataclass(frozen=True)
class Coverage(AbstractNeighbourMetric):
    """The share of real neighbourhoods with a picture in them, in [0, 1]: diversity."""

    share: ClassVar[type[neighbours.AbstractShare]] = neighbours.Coverage

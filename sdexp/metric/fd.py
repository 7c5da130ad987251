"""How far generated pictures are from real ones, by two Gaussians."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.metric.base import AbstractDistributionMetric
from sdexp.stats.distances import AbstractDistance, FrechetDistance


@dataclass(frozen=True)
class Fd(AbstractDistributionMetric):
    """Frechet distance of picture embeddings.

    Heusel et al. 2017 (arXiv 1706.08500) over another network than theirs, as Stein et al. 2023
    (arXiv 2306.04675): comparable only within one backbone. Biased upwards in small samples, more
    so for diverse models; hence no interval.
    """

    higher_is_better: ClassVar[bool] = False
    enough_references: ClassVar[int] = 2048

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
        return FrechetDistance(reference_features)

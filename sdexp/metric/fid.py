"""How far generated pictures are from real ones, by two Gaussians."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.backbone.base import Standard
from sdexp.metric.base import AbstractDistributionMetric
from sdexp.stats.distances import AbstractDistance, FrechetDistance


@dataclass(frozen=True)
class Fid(AbstractDistributionMetric):
    """Frechet Inception distance (Heusel et al. 2017, arXiv 1706.08500).

    Over the 2015 network alone; the resize stands in the backbone's name, because numbers by
    another one differ. Biased upwards in small samples, more so for diverse models; hence no
    interval.
    """

    higher_is_better: ClassVar[bool] = False
    enough_references: ClassVar[int] = 2048
    standard: ClassVar[Standard | None] = "fid"

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
        return FrechetDistance(reference_features)

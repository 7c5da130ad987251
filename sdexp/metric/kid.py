"""How far generated pictures are from real ones, without bias in small samples."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.metric.base import AbstractDistributionMetric
from sdexp.stats.distances import AbstractDistance, KernelDistance, cubic_kernel

# Papers print the distance in thousandths.
SCALE = 1000.0


@dataclass(frozen=True)
class Kid(AbstractDistributionMetric):
    """Kernel distance of picture embeddings, times 1000.

    Binkowski et al. 2018 (arXiv 1801.01401) over the whole sample instead of random subsets;
    comparable only within one backbone. May be below zero.
    """

    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str] = "x 1000"

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
        return KernelDistance(reference_features, cubic_kernel, SCALE)

"""How far generated pictures are from real ones, by CLIP and a Gaussian kernel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.backbone.base import AbstractFeatures, PictureSet
from sdexp.metric.base import AbstractDistributionMetric
from sdexp.stats.distances import AbstractDistance, KernelDistance, gaussian_kernel

SCALE = 1000.0


@dataclass(frozen=True)
class Cmmd(AbstractDistributionMetric):
    """CLIP maximum mean discrepancy, times 1000 (Jayasumana et al. 2023, arXiv 2401.09603).

    The U-statistic of the whole sample; their code takes the biased V-statistic, which is higher
    in small samples, more so for diverse models. May be below zero.
    """

    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str] = "x 1000"

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        """Of length 1, [N, d]."""
        seen = source.images(pictures)
        unit: np.ndarray = seen / np.linalg.norm(seen, axis=1, keepdims=True)
        return unit

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
        return KernelDistance(reference_features, gaussian_kernel, SCALE)

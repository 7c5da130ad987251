"""How far generated pictures are from real ones, without bias in small samples."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet
from sdexp.metric.base import AbstractMetric
from sdexp.stats.distribution import AbstractDistance, KernelDistance

# Papers print the distance in thousandths.
SCALE = 1000.0


@dataclass(frozen=True)
class Kid(AbstractMetric):
    """Kernel distance of picture embeddings, times 1000.

    Binkowski et al. 2018 (arXiv 1801.01401) over the whole sample instead of random subsets; over
    CLIP not comparable with Inception's numbers. May be below zero.
    """

    higher_is_better: ClassVar[bool] = False
    partner: ClassVar[Literal["caption", "reference", "distribution"]] = "distribution"
    needs: ClassVar[frozenset[Gift]] = frozenset({"images"})
    least_pictures: ClassVar[int] = 2

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        return source.images(pictures)

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The distance of features [N, d] and real features [M, d]; N and M at least 2."""
        return self.against(reference_features)(features)

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
        return KernelDistance(reference_features, SCALE)

"""How far generated pictures are from real ones, by two Gaussians."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet
from sdexp.metric.base import AbstractMetric
from sdexp.stats.distribution import AbstractDistance, FrechetDistance


@dataclass(frozen=True)
class Fid(AbstractMetric):
    """Frechet distance of picture embeddings.

    Heusel et al. 2017 (arXiv 1706.08500); over CLIP (Kynkaanniemi et al. 2023, arXiv 2203.06026)
    not comparable with Inception's numbers. Biased upwards in small samples, more so for diverse
    models; hence no interval.
    """

    higher_is_better: ClassVar[bool] = False
    partner: ClassVar[Literal["caption", "reference", "distribution"]] = "distribution"
    needs: ClassVar[frozenset[Gift]] = frozenset({"images"})
    has_interval: ClassVar[bool] = False
    least_pictures: ClassVar[int] = 2
    enough_references: ClassVar[int] = 2048

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
        return FrechetDistance(reference_features)

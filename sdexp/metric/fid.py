"""How far generated pictures are from real ones, by two Gaussians."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from sdexp.metric.base import AbstractExtractor, AbstractMetric
from sdexp.metric.clip import EmbeddingExtractor, load_clip
from sdexp.stats.distribution import AbstractDistance, FrechetDistance


@final
@dataclass(frozen=True)
class Fid(AbstractMetric):
    """Frechet distance of CLIP picture embeddings (projected, not normalised).

    Heusel et al. 2017 (arXiv 1706.08500) with CLIP in place of Inception (Kynkaanniemi et al.
    2023, arXiv 2203.06026): not comparable with Inception's numbers. Biased upwards in small
    samples, more so for diverse models; hence no interval.
    """

    higher_is_better: ClassVar[bool] = False
    per_picture: ClassVar[bool] = False
    needs_reference: ClassVar[bool] = False
    has_interval: ClassVar[bool] = False

    def start(self, device: str) -> AbstractExtractor:
        """Load the CLIP model."""
        return EmbeddingExtractor(load_clip(self.backbone, device))

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The distance of features [N, d] and real features [M, d]; N and M at least 2."""
        return self.against(reference_features)(features)

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
        return FrechetDistance(reference_features)

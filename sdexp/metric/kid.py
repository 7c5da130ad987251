"""How far generated pictures are from real ones, without bias in small samples."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from sdexp.metric.base import AbstractExtractor, AbstractMetric
from sdexp.metric.clip import EmbeddingExtractor, load_clip
from sdexp.stats.distribution import AbstractDistance, KernelDistance

# Papers print the distance in thousandths.
SCALE = 1000.0


@final
@dataclass(frozen=True)
class Kid(AbstractMetric):
    """Kernel distance of CLIP picture embeddings (projected, not normalised), times 1000.

    Binkowski et al. 2018 (arXiv 1801.01401) over the whole sample instead of random subsets, with
    CLIP in place of Inception: not comparable with Inception's numbers. May be below zero.
    """

    higher_is_better: ClassVar[bool] = False
    per_picture: ClassVar[bool] = False
    needs_reference: ClassVar[bool] = False

    def start(self, device: str) -> AbstractExtractor:
        """Load the CLIP model."""
        return EmbeddingExtractor(load_clip(self.backbone, device))

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The distance of features [N, d] and real features [M, d]; N and M at least 2."""
        return self.against(reference_features)(features)

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
        return KernelDistance(reference_features, SCALE)

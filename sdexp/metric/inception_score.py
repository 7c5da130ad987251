"""How clear single pictures are, and how different from each other."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet
from sdexp.metric.base import AbstractDistributionMetric
from sdexp.stats.distances import AbstractDistance, PlainDistance
from sdexp.stats.scores import inception_score


@dataclass(frozen=True)
class InceptionScore(AbstractDistributionMetric):
    """Inception score (Salimans et al. 2016, arXiv 1606.03498), over all pictures at once.

    Of the classes that the backbone sees, at least 1; without a look at real pictures, so it
    says nothing of prompts and little of pictures that are no ImageNet objects.
    """

    higher_is_better: ClassVar[bool] = True
    needs: ClassVar[frozenset[Gift]] = frozenset({"classes"})

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        """Logits [N, classes]."""
        return source.classes(pictures)

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The score, whatever the real pictures are."""
        return PlainDistance(lambda made, real: inception_score(made), reference_features)

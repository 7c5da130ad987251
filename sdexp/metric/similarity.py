"""How much a picture is like the real picture of its prompt, in meaning."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet
from sdexp.metric.base import AbstractMetric, Partner, partners
from sdexp.stats.scores import cosines


@dataclass(frozen=True)
class Similarity(AbstractMetric):
    """100 times the cosine of a picture's and its ground truth's features, in [-100, 100].

    Over DINOv2 the subject fidelity of Ruiz et al. 2022 (arXiv 2208.12242), there without the 100.
    """

    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "cosine x 100"
    partner: ClassVar[Partner] = "reference"
    needs: ClassVar[frozenset[Gift]] = frozenset({"images"})

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        own = partners(pictures, references)
        return 100 * cosines(source.images(pictures), source.images(own))

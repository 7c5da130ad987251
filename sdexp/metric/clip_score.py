"""How well a picture fits its prompt."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet
from sdexp.metric.base import AbstractMetric, Partner
from sdexp.stats.scores import cosines


@dataclass(frozen=True)
class ClipScore(AbstractMetric):
    """100 times the cosine of a picture's and its prompt's CLIP embedding, in [-100, 100].

    Hessel et al. 2021 (arXiv 2104.08718) without their prefix and factor, and not clamped at 0:
    the unit of torchmetrics and most papers. Comparable only within one backbone.
    """

    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "cosine x 100"
    partner: ClassVar[Partner] = "caption"
    needs: ClassVar[frozenset[Gift]] = frozenset({"images", "texts"})

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        if pictures.count != len(captions):
            raise ValueError(f"{pictures.count} pictures and {len(captions)} prompts")
        return 100 * cosines(source.images(pictures), source.texts(captions))

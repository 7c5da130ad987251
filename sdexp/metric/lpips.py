"""How far a picture is from another one, to the eye."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet, Standard
from sdexp.metric.base import AbstractMetric, Partner, partners


@dataclass(frozen=True)
class AbstractLpips(AbstractMetric):
    """LPIPS (Zhang et al. 2018, arXiv 1801.03924) of each picture and its partner."""

    needs: ClassVar[frozenset[Gift]] = frozenset({"pairs"})
    standard: ClassVar[Standard | None] = "lpips"

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        return source.pairs(pictures, partners(pictures, references))[:, None]


@dataclass(frozen=True)
class LpipsGt(AbstractLpips):
    """LPIPS of a picture and the real picture of its prompt; 0 for equal pictures."""

    higher_is_better: ClassVar[bool] = False
    partner: ClassVar[Partner] = "reference"


@dataclass(frozen=True)
class LpipsDiversity(AbstractLpips):
    """Mean LPIPS of a picture and the other pictures of its prompt; 0 where all are the same.

    A model that forgot everything but its training pictures has less of it.
    """

    higher_is_better: ClassVar[bool] = True
    partner: ClassVar[Partner] = "replicates"

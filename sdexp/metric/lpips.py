"""How far a picture is from another one, to the eye."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet, Standard
from sdexp.metric.base import AbstractMetric, Partner


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
        if references is None or references.count != pictures.count:
            count = None if references is None else references.count
            raise ValueError(f"{count} references for {pictures.count} pictures")
        return source.pairs(pictures, references)[:, None]

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The mean of distances [N, 1]."""
        return float(features.mean())


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

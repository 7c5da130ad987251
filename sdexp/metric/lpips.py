"""How far a picture is from the real picture of its prompt."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet, Standard
from sdexp.metric.base import AbstractMetric


@dataclass(frozen=True)
class LpipsGt(AbstractMetric):
    """LPIPS (Zhang et al. 2018) of a picture and its ground truth; 0 for equal pictures."""

    higher_is_better: ClassVar[bool] = False
    partner: ClassVar[Literal["caption", "reference", "distribution"]] = "reference"
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

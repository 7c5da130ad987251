"""How well a picture fits its prompt."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from sdexp.metric.base import AbstractExtractor, AbstractMetric
from sdexp.metric.clip import Clip, load_clip


@final
@dataclass(frozen=True)
class ClipScore(AbstractMetric):
    """100 times the cosine of a picture's and its prompt's CLIP embedding, in [-100, 100].

    Hessel et al. 2021 (arXiv 2104.08718) without their prefix and factor, and not clamped at 0:
    the unit of torchmetrics and most papers. Comparable only within one backbone.
    """

    higher_is_better: ClassVar[bool] = True
    per_picture: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = False

    def start(self, device: str) -> AbstractExtractor:
        """Load the CLIP model."""
        return _Extractor(load_clip(self.backbone, device))

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The mean of scores [N, 1]."""
        return float(features.mean())


@final
@dataclass(frozen=True)
class _Extractor(AbstractExtractor):
    clip: Clip

    def features(
        self, images: np.ndarray, prompts: list[str], references: np.ndarray | None
    ) -> np.ndarray:
        if len(images) != len(prompts):
            raise ValueError(f"{len(images)} pictures and {len(prompts)} prompts")
        pictures = self.clip.embed_images(images)
        texts = self.clip.embed_texts(prompts)
        lengths = np.linalg.norm(pictures, axis=1) * np.linalg.norm(texts, axis=1)
        scores: np.ndarray = 100 * (pictures * texts).sum(axis=1, keepdims=True) / lengths[:, None]
        return scores

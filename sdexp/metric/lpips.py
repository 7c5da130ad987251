"""How far a picture is from the real picture of its prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from sdexp.metric.base import AbstractExtractor, AbstractMetric
from sdexp.metric.clip import Clip, batches, check_pictures, load_clip

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-10


@final
@dataclass(frozen=True)
class LpipsGt(AbstractMetric):
    """LPIPS between a picture and its ground truth, in [0, 4]; 0 for equal pictures.

    Zhang et al. 2018 (arXiv 1801.03924), equation 1, over the patch tokens after each layer of
    CLIP's vision tower: tokens of unit length over the channels, squared difference, summed over
    channels, averaged over patches and over layers. The weights of channels and layers are
    uniform, not fitted to human judgements: not comparable with the numbers of AlexNet or VGG.
    """

    higher_is_better: ClassVar[bool] = False
    per_picture: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = True

    def start(self, device: str) -> AbstractExtractor:
        """Load the CLIP model."""
        return _Extractor(load_clip(self.backbone, device))

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The mean of distances [N, 1]."""
        return float(features.mean())


@final
@dataclass(frozen=True)
class _Extractor(AbstractExtractor):
    clip: Clip

    def features(
        self, images: np.ndarray, prompts: list[str], references: np.ndarray | None
    ) -> np.ndarray:
        check_pictures(images)
        if references is None or references.shape != images.shape:
            shape = None if references is None else references.shape
            raise ValueError(f"references of shape {shape} for pictures of shape {images.shape}")
        pairs = zip(batches(images), batches(references), strict=True)
        return np.concatenate([self._distances(made, real) for made, real in pairs])[:, None]

    def _distances(self, made: np.ndarray, real: np.ndarray) -> np.ndarray:
        layers = zip(self.clip.patch_layers(made), self.clip.patch_layers(real), strict=True)
        squares = [(_unit(a) - _unit(b)).square().sum(dim=-1).mean(dim=-1) for a, b in layers]
        per_layer = np.stack([part.double().cpu().numpy() for part in squares])
        distances: np.ndarray = per_layer.mean(axis=0)
        return distances


def _unit(tokens: Tensor) -> Tensor:
    unit: Tensor = tokens / (tokens.norm(dim=-1, keepdim=True) + EPSILON)
    return unit

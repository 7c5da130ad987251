"""A batch of given numbers."""

from collections.abc import Callable

import torch
from torch import Tensor

from sdexp.model.base import Condition
from sdexp.objective.base import TrainingBatch


class Batch(TrainingBatch):
    """Latents [B, C, h, w], noise [B, 2, C, h, w] and levels [B] that somebody else drew."""

    def __init__(
        self, latents: Tensor, noise: Tensor, level: Tensor, condition: Condition | None = None
    ) -> None:
        self._latents = latents
        self._condition = condition or Condition(torch.empty(0))
        self._drawn = {"noise": noise, "timestep": level}

    def draw(self, name: str, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        return self._drawn[name]

    def latents(self) -> Tensor:
        return self._latents

    def condition(self) -> Condition:
        return self._condition

    def image_features(self) -> Tensor:
        raise NotImplementedError

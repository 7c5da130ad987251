"""What an objective is: one loss for each sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """What the objective sees: scaled latents [B, C, h, w] and text states [B, L, D]."""

    latents: Tensor
    condition: Tensor


@dataclass(frozen=True)
class AbstractObjective(ABC):
    """Recipe of a loss; `caption_dropout_rate` is the share of samples trained without caption."""

    caption_dropout_rate: float

    @abstractmethod
    def __call__(
        self, model: LoadedModel, batch: TrainingBatch, noise: Tensor, t: Tensor
    ) -> Tensor:
        """Loss [B]; noise: [B, C, h, w] unit normal; t: [B] whole timesteps."""

    @abstractmethod
    def noise(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """The noise of one sample, [C, h, w], from its stream."""

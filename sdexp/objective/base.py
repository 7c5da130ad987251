"""What an objective is: one loss for each sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdexp.model.base import AbstractNoiseSchedule, Condition, LoadedModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """What the objective sees: scaled latents [B, C, h, w] and their condition."""

    latents: Tensor
    condition: Condition


@dataclass(frozen=True)
class AbstractObjective(ABC):
    """Recipe of a loss; `caption_dropout_rate` is the share of samples trained without caption."""

    caption_dropout_rate: float

    @abstractmethod
    def level(self, schedule: AbstractNoiseSchedule, generator: torch.Generator) -> Tensor:
        """The noise level of one sample, from its stream; a number in the schedule's measure."""

    @abstractmethod
    def noise(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """The noise of one sample, [2, C, h, w], from its stream.

        What the network is asked for, and what is added to the latents.
        """

    @abstractmethod
    def __call__(
        self, model: LoadedModel, batch: TrainingBatch, noise: Tensor, level: Tensor
    ) -> Tensor:
        """Loss [B]; noise: [B, 2, C, h, w] as of `noise`; level: [B]."""

"""What an objective is: one loss for each sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sdexp.backbone.base import Gift, LoadedBackbone
from sdexp.model.base import Condition, LoadedModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class TrainingBatch(ABC):
    """The samples of a micro-batch; what an objective asks for is made then.

    captions, picture_ids: of B samples, of which several may show one picture; tower: the frozen
    judge of the objective, where it has one.
    """

    captions: list[str]
    picture_ids: list[str]
    tower: LoadedBackbone | None

    @abstractmethod
    def draw(self, name: str, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        """What `one` draws from each sample's own stream of that name, [B, ...]."""

    @abstractmethod
    def latents(self) -> Tensor:
        """Scaled latents [B, C, h, w]."""

    @abstractmethod
    def condition(self) -> Condition:
        """What the captions, and the sizes of the pictures, say to the denoiser."""

    @abstractmethod
    def image_features(self) -> Tensor:
        """Features of the pictures by the tower, [B, d], float32, without gradients."""


@dataclass(frozen=True)
class AbstractObjective(ABC):
    """Recipe of a loss; `caption_dropout_rate` is the share of samples trained without caption.

    reaches: the only components that its gradient gets to, None where it gets to all; tower_gives:
    what its tower must give, nothing where it has none; compares_samples: whether the loss of a
    sample depends on the others of its micro-batch.
    """

    reaches: ClassVar[tuple[str, ...] | None] = None
    tower_gives: ClassVar[frozenset[Gift]] = frozenset()
    compares_samples: ClassVar[bool] = False

    caption_dropout_rate: float

    @property
    def tower(self) -> str | None:
        """The backbone that it trains against, by its key."""
        return None

    @abstractmethod
    def __call__(self, model: LoadedModel, batch: TrainingBatch) -> Tensor:
        """Loss [B]."""

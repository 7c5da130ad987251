"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.checks import at_least
from sdexp.optimizer.base import AbstractOptimizer, check_decay, check_rate, is_fused

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Sgd(AbstractOptimizer):
    """`torch.optim.SGD`, with torch's names."""

    momentum: float
    weight_decay: float
    fused: bool | None

    def __post_init__(self) -> None:
        check_rate(self.lr)
        at_least("optimizer", 0, momentum=self.momentum)
        check_decay(self.weight_decay)

    def build(self, groups: list[dict[str, Any]], device: str) -> torch.optim.Optimizer:
        import torch

        return torch.optim.SGD(
            groups,
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            fused=is_fused(self.fused, device),
        )

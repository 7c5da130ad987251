"""Adam with decoupled weight decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.checks import at_least
from sdexp.optimizer.base import (
    AbstractOptimizer,
    check_betas,
    check_decay,
    check_rate,
    is_fused,
)

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AdamW(AbstractOptimizer):
    """`torch.optim.AdamW` (Loshchilov and Hutter 2019, arXiv 1711.05101), with torch's names."""

    betas: list[float]
    eps: float
    weight_decay: float
    amsgrad: bool
    fused: bool | None

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_betas(self.betas)
        at_least("optimizer", 0, eps=self.eps)
        check_decay(self.weight_decay)

    def build(self, groups: list[dict[str, Any]], device: str) -> torch.optim.Optimizer:
        import torch

        first, second = self.betas
        return torch.optim.AdamW(
            groups,
            lr=self.lr,
            betas=(first, second),
            eps=self.eps,
            weight_decay=self.weight_decay,
            amsgrad=self.amsgrad,
            fused=is_fused(self.fused, device),
        )

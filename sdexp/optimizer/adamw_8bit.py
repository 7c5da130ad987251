"""AdamW whose state takes a quarter of the memory."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.checks import at_least
from sdexp.ground.errors import ConfigError
from sdexp.optimizer.base import AbstractOptimizer, check_betas, check_decay, check_rate

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AdamW8bit(AbstractOptimizer):
    """`bitsandbytes.optim.AdamW8bit` (Dettmers et al. 2022, arXiv 2110.02861)."""

    betas: list[float]
    eps: float
    weight_decay: float

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_betas(self.betas)
        at_least("optimizer", 0, eps=self.eps)
        check_decay(self.weight_decay)

    def check(self) -> None:
        if importlib.util.find_spec("bitsandbytes") is None:
            raise ConfigError(
                "optimizer=adamw_8bit: needs the package bitsandbytes; install it with "
                "pip install 'sdexp[optim]', or choose optimizer=adamw"
            )

    def build(self, groups: list[dict[str, Any]], device: str) -> torch.optim.Optimizer:
        from bitsandbytes.optim import AdamW8bit as Optimizer

        first, second = self.betas
        optimizer: torch.optim.Optimizer = Optimizer(
            groups, self.lr, (first, second), self.eps, self.weight_decay
        )
        return optimizer

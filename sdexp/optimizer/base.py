"""What an optimizer recipe is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.checks import above, at_least, require

if TYPE_CHECKING:
    import torch

# Where torch has kernels that walk over all parameters at once.
FUSED_DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True)
class AbstractOptimizer(ABC):
    """Recipe of an optimizer; `lr` is the highest learning rate of its schedule."""

    lr: float

    def check(self) -> None:
        """Raise `ConfigError` for what this machine lacks, and for what only a trial shows."""
        return None

    @abstractmethod
    def build(self, groups: list[dict[str, Any]], device: str) -> torch.optim.Optimizer:
        """The optimizer of groups with `params`, `lr` and `name`, on a device such as "cuda:0"."""


def check_rate(lr: float | None) -> None:
    """Raise `ValueError` unless a learning rate is a finite number above 0."""
    require("optimizer", lr is not None, "lr", lr, "a finite number above 0")
    above("optimizer", 0, lr=lr)


def check_betas(betas: list[float]) -> None:
    """Raise `ValueError` unless there are two, each from 0 to below 1."""
    fit = len(betas) == 2 and all(0 <= beta < 1 for beta in betas)
    require("optimizer", fit, "betas", betas, "two numbers, each 0 or more and below 1")


def check_decay(weight_decay: float) -> None:
    """Raise `ValueError` for a negative weight decay."""
    at_least("optimizer", 0, weight_decay=weight_decay)


def is_fused(wanted: bool | None, device: str) -> bool:
    """Whether to take the fused kernels; None takes them where the device has them."""
    return device.partition(":")[0] in FUSED_DEVICES if wanted is None else wanted

"""Steps of our optimizers beside those of torch."""

from collections.abc import Callable
from typing import Any

import torch

from sdexp.optimizer.base import AbstractOptimizer

# What no Adam takes.
WRONG: list[dict[str, Any]] = [
    {"lr": 0.0},
    {"lr": float("nan")},
    {"betas": [0.9]},
    {"betas": [0.9, 1.0]},
    {"eps": -1.0},
    {"weight_decay": -0.1},
]


def steps(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> torch.Tensor:
    for number in range(3):
        parameter.grad = torch.linspace(-1, 1, parameter.numel()).view_as(parameter) * (number + 1)
        optimizer.step()
    return parameter.detach()


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(0, 1, 12).view(3, 4))


def check_steps(recipe: AbstractOptimizer, plain: Callable[..., torch.optim.Optimizer]) -> None:
    """The recipe's steps have the very bits of those of torch."""
    ours, theirs = parameter(), parameter()
    group = {"params": [ours], "lr": recipe.lr, "name": "unet"}
    made = recipe.build([group], "cpu")
    torch.testing.assert_close(steps(made, ours), steps(plain([theirs]), theirs), rtol=0, atol=0)

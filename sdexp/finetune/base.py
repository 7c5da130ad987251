"""What a strategy is: which parameters train, and how they are saved and put back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.ground.applied import Applied
from sdexp.ground.config import require
from sdexp.ground.files import write_text
from sdexp.ground.tensors import read_tensors, write_tensors
from sdexp.model.base import Component, LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Restored:
    """Saved weights in an original: the proof, and the way back to the original's own bits."""

    applied: Applied
    undo: Callable[[], None]


@dataclass(frozen=True)
class AbstractFinetune(ABC):
    """Recipe of a strategy; `components` are the networks that it trains, by name."""

    components: list[str]

    @abstractmethod
    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        """Freeze the whole model but what trains, and return that by stable names, in float32.

        A name begins with that of its component.
        """

    def learning_rate(self, component: str) -> float | None:
        """The rate of a component's parameters; None is that of the optimizer."""
        return None

    @abstractmethod
    def save(self, model: LoadedModel, folder: Path) -> None:
        """Write safetensors that plain diffusers loads; the same weights give the same bytes."""

    @abstractmethod
    def restore(self, model: LoadedModel, folder: Path) -> Restored:
        """Put saved weights into an original model.

        Raises `DataError` when the folder holds no weights of this strategy.
        """


def check_components(components: list[str]) -> None:
    """Raise `ValueError` unless some network is named, and each of them once."""
    once = len(set(components)) == len(components)
    require("finetune", bool(components) and once, "components", components, "networks, each once")


def freeze_all(model: LoadedModel) -> None:
    """No parameter of the model trains."""
    for module in model.modules().values():
        module.requires_grad_(False).eval()


def unfreeze(name: str, module: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter of one network trains, in float32."""
    module.float().requires_grad_(True).train()
    return {f"{name}.{key}": parameter for key, parameter in module.named_parameters()}


def write_component(component: Component, folder: Path) -> None:
    """Write a whole network and its configuration, as plain diffusers lays them out."""
    prefix = component.tensor_prefix
    tensors = {
        f"{prefix}{key.removeprefix(prefix)}": tensor
        for key, tensor in component.module.state_dict().items()
    }
    file = folder / component.file
    write_tensors(file, tensors, {"format": "pt"})
    write_text(file.with_name("config.json"), component.settings)


def read_component(component: Component, folder: Path) -> dict[str, Tensor]:
    """What `write_component` wrote, by the names that the network has in memory."""
    prefix = component.tensor_prefix
    prefixed = bool(prefix) and any(k.startswith(prefix) for k in component.module.state_dict())
    return {
        (key if prefixed else key.removeprefix(prefix)): tensor
        for key, tensor in read_tensors(folder / component.file).items()
    }


def exchange(module: nn.Module, tensors: dict[str, Tensor]) -> Applied:
    """Exchange the values of a network and of tensors, by name; a second time puts them back.

    A tensor of another shape counts as unexpected.
    """
    import torch

    own = module.state_dict()
    fitting = {k: t for k, t in tensors.items() if k in own and own[k].shape == t.shape}
    changed = 0
    with torch.no_grad():
        for key, tensor in fitting.items():
            before = own[key].clone()
            value = tensor.to(before.device, before.dtype)
            changed += int(not torch.equal(before, value))
            own[key].copy_(value)
            tensors[key] = before
    return Applied(
        applied=len(fitting),
        changed=changed,
        missing=tuple(sorted(own.keys() - fitting.keys())),
        unexpected=tuple(sorted(tensors.keys() - fitting.keys())),
    )

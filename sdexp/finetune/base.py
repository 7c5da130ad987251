"""What a strategy is: which parameters train, and how they are saved and put back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.ground.applied import Applied
from sdexp.ground.errors import DataError
from sdexp.ground.files import write_text
from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class AbstractFinetune(ABC):
    """Recipe of a strategy."""

    @abstractmethod
    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        """Freeze the whole model but what trains, and return that by stable names, in float32."""

    @abstractmethod
    def save(self, model: LoadedModel, folder: Path) -> None:
        """Write safetensors that plain diffusers loads; the same weights give the same bytes."""

    @abstractmethod
    def restore(self, model: LoadedModel, folder: Path) -> Applied:
        """Put saved weights into an original model, and say what was applied.

        Raises `DataError` when the folder holds no weights of this strategy.
        """


def freeze_all(model: LoadedModel) -> None:
    """No parameter of the model trains."""
    for module in model.modules().values():
        module.requires_grad_(False).eval()


def unfreeze(name: str, module: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter of one network trains, in float32."""
    module.float().requires_grad_(True).train()
    return {f"{name}.{key}": parameter for key, parameter in module.named_parameters()}


def write_network_config(file: Path, text: str) -> None:
    """Write a network's configuration without the place that it was loaded from."""
    values = {key: value for key, value in json.loads(text).items() if key != "_name_or_path"}
    write_text(file, json.dumps(values, indent=2, sort_keys=True) + "\n")


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a file; `DataError` when it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except FileNotFoundError:
        raise DataError(f"{file}: missing; the run has no such weights") from None
    except SafetensorError as error:
        raise DataError(f"{file}: damaged ({error})") from error


def apply_tensors(module: nn.Module, tensors: dict[str, Tensor]) -> Applied:
    """Copy tensors into a network by name; a tensor of another shape counts as unexpected."""
    import torch

    own = module.state_dict()
    fitting = {k: t for k, t in tensors.items() if k in own and own[k].shape == t.shape}
    changed = 0
    with torch.no_grad():
        for key, tensor in fitting.items():
            value = tensor.to(own[key].device, own[key].dtype)
            changed += int(not torch.equal(own[key], value))
            own[key].copy_(value)
    return Applied(
        applied=len(fitting),
        changed=changed,
        missing=tuple(sorted(own.keys() - fitting.keys())),
        unexpected=tuple(sorted(tensors.keys() - fitting.keys())),
    )

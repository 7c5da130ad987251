"""What a strategy is: which parameters train, and how they are saved and put back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sdexp.ground.applied import HARMLESS, Applied, together
from sdexp.ground.checks import require
from sdexp.ground.files import write_text
from sdexp.ground.tensors import check_finite, read_tensors, write_tensors
from sdexp.model.base import Component, LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Restored:
    """Saved weights in an original: the proof, and the way back to the original's own bits.

    has_strength: whether they are adapters, which may act more or less strongly than they were
    trained to.
    """

    applied: Applied
    undo: Callable[[], None]
    has_strength: bool = False


@dataclass(frozen=True)
class AbstractFinetune(ABC):
    """Recipe of a strategy; `components` are the networks that it trains, by name.

    saves_networks: whether it saves them whole, not only what was added to them; trains: whether it
    can be trained at all.
    """

    saves_networks: ClassVar[bool] = True
    trains: ClassVar[bool] = True

    components: list[str]

    def check(self) -> None:
        """Raise `ConfigError` for what only the library that does the work can know."""
        return

    def source(self, folder: Path) -> str:
        """Where the weights come from that a run with this folder of weights has."""
        return str(folder)

    def given_files(self) -> list[Path]:
        """Files outside of the run that its weights are read from."""
        return []

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


def unfreeze(
    name: str, component: Component, is_chosen: Callable[[str], bool]
) -> dict[str, nn.Parameter]:
    """The chosen parameters of one network that the family reads train, in float32."""
    module = component.module.float().train()
    trained = {
        f"{name}.{key}": parameter
        for key, parameter in module.named_parameters()
        if is_chosen(key) and not key.startswith(component.unread)
    }
    for parameter in trained.values():
        parameter.requires_grad_(True)
    return trained


def added(name: str, module: nn.Module) -> dict[str, nn.Parameter]:
    """What was put into a frozen network trains, in float32, by names that begin with its own."""
    module.train()
    trained = {f"{name}.{k}": p for k, p in module.named_parameters() if p.requires_grad}
    for parameter in trained.values():
        parameter.data = parameter.data.float()
    return trained


def write_component(
    component: Component, folder: Path, tensors: dict[str, Tensor] | None = None
) -> None:
    """Write a whole network and its configuration, as plain diffusers lays them out.

    tensors: by the names that they have in memory, where they are not those of the network.
    """
    prefix = component.tensor_prefix
    own = component.module.state_dict() if tensors is None else tensors
    named = {f"{prefix}{key.removeprefix(prefix)}": tensor for key, tensor in own.items()}
    file = folder / component.file
    write_tensors(file, named, {"format": "pt"})
    write_text(file.with_name("config.json"), component.settings)


def read_component(component: Component, folder: Path) -> dict[str, Tensor]:
    """What `write_component` wrote, by the names that the network has in memory."""
    return own_names(component, read_tensors(folder / component.file))


def own_names(component: Component, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a published file by the names that the network has in memory."""
    prefix = component.tensor_prefix
    prefixed = bool(prefix) and any(k.startswith(prefix) for k in component.module.state_dict())
    return {
        (name if prefixed else name.removeprefix(prefix)): tensor
        for name, tensor in tensors.items()
        if not name.endswith(HARMLESS)
    }


def exchange(module: nn.Module, tensors: dict[str, Tensor]) -> Applied:
    """Exchange the values of a network and of tensors, by name; a second time puts them back.

    A tensor of another shape counts as unexpected.
    """
    import torch

    own = module.state_dict(keep_vars=True)
    fitting = {k: t for k, t in tensors.items() if k in own and own[k].shape == t.shape}
    changed = 0
    for key, tensor in fitting.items():
        before = own[key].data
        # A copy: what was read may lie in a file that changes.
        value = torch.empty_like(before).copy_(tensor)
        changed += int(not torch.equal(before, value))
        own[key].data = value
        tensors[key] = before
    return Applied(
        applied=len(fitting),
        changed=changed,
        missing=tuple(sorted(own.keys() - fitting.keys())),
        unexpected=tuple(sorted(tensors.keys() - fitting.keys())),
    )


def exchange_networks(model: LoadedModel, names: list[str], folder: Path) -> Restored:
    """Put whole saved networks in the place of the original's."""
    components = model.components()
    saved = {name: read_component(components[name], folder) for name in names}
    return exchange_tensors(model, saved, str(folder))


def exchange_tensors(
    model: LoadedModel, saved: dict[str, dict[str, Tensor]], what: str
) -> Restored:
    """Put whole networks in the place of the original's, by their names in memory.

    Raises `DataError` for values that are no finite numbers.
    """
    components = model.components()
    for name, tensors in saved.items():
        check_finite(f"{what}: {name}", tensors)
    parts = [(name, exchange(components[name].module, saved[name])) for name in saved]
    model.weights_changed()

    def undo() -> None:
        for name, tensors in saved.items():
            exchange(components[name].module, tensors)
        model.weights_changed()

    return Restored(together(parts), undo)

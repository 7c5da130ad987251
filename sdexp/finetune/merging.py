"""Layers that PEFT put beside those of a network, worked into its weights."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn


def merge(model: LoadedModel) -> None:
    """Work all adapters of a model into its weights, for good.

    Its pictures are the same within rounding, and sooner made.
    """
    for module in model.modules().values():
        merge_into(module)
    model.weights_changed()


def merge_into(module: nn.Module) -> bool:
    """Work a network's adapters into its weights, for good; whether that changes any.

    The layers have the names again that they had before.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = {n: m for n, m in module.named_modules() if isinstance(m, BaseTunerLayer)}
    changed = False
    for name, layer in layers.items():
        base: Any = layer.get_base_layer()
        before = base.weight.detach().clone()
        layer.merge(safe_merge=True)
        changed = changed or not torch.equal(before, base.weight)
        _put_base(module, name, layer)
    return changed


class TakenOut:
    """Adapters of LoRA, taken out of a model, which is left as it was without them."""

    def __init__(self, model: LoadedModel) -> None:
        from peft.tuners.lora import LoraLayer

        self._layers: dict[str, dict[str, Any]] = {}
        for component, module in model.modules().items():
            layers = {n: m for n, m in module.named_modules() if isinstance(m, LoraLayer)}
            if not layers:
                continue
            for name, layer in layers.items():
                _put_base(module, name, layer)
            del module.peft_config
            self._layers[component] = layers
        every = [layer for layers in self._layers.values() for layer in layers.values()]
        self._trained = [(layer.scaling, dict(layer.scaling)) for layer in every]
        model.weights_changed()

    @property
    def nbytes(self) -> int:
        """Memory of the adapters alone."""
        return sum(
            tensor.nbytes
            for layers in self._layers.values()
            for layer in layers.values()
            for name, tensor in layer.named_parameters()
            if not name.startswith("base_layer.")
        )

    def worked_in(self, strength: float) -> dict[str, dict[str, Tensor]]:
        """The weights of the adapted layers with the adapters' work in them, by network and name.

        strength: how many times as strongly as they were trained to; the model stays as it is.
        """
        for scaling, trained in self._trained:
            scaling.update({name: scale * strength for name, scale in trained.items()})
        return {
            component: {f"{name}.weight": _worked_in(layer) for name, layer in layers.items()}
            for component, layers in self._layers.items()
        }


def _worked_in(layer: Any) -> Tensor:
    weight = layer.get_base_layer().weight
    plain = weight.data
    layer.merge(safe_merge=True)
    made: Tensor = weight.data
    weight.data = plain
    layer.merged_adapters.clear()
    return made


def _put_base(module: nn.Module, name: str, layer: Any) -> None:
    """Have a network hold a layer again in the place of the one that PEFT put around it."""
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, layer.get_base_layer())


def merged(module: nn.Module) -> tuple[dict[str, Tensor], bool]:
    """The tensors of a network with its adapters' work in them, and whether they do any.

    The network itself stays as it is.
    """
    copied = deepcopy(module)
    changed = merge_into(copied)
    return copied.state_dict(), changed

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
        parent, _, own = name.rpartition(".")
        setattr(module.get_submodule(parent), own, base)
    return changed


def merged(module: nn.Module) -> tuple[dict[str, Tensor], bool]:
    """The tensors of a network with its adapters' work in them, and whether they do any.

    The network itself stays as it is.
    """
    copied = deepcopy(module)
    changed = merge_into(copied)
    return copied.state_dict(), changed

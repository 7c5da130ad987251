"""Adapters of LoRA from a file of any layout, put beside the layers of a model."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.finetune.base import Restored
from sdexp.finetune.layouts import (
    ADAPTER,
    METADATA_KEY,
    PEFT_PREFIX,
    PEFT_SETTINGS,
    Place,
    likely_reason,
    places,
    split_key,
)
from sdexp.ground.applied import Applied
from sdexp.ground.errors import DataError
from sdexp.ground.tensors import check_finite, read_metadata, read_tensors
from sdexp.model.base import TEXT_PREFIX, LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class Layer:
    """The adapter of one layer: its tensors by what they are, and their names in the file."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    @property
    def rank(self) -> int:
        return len(self.tensors["down"])

    def fits(self, weight: Tensor) -> bool:
        """Down [r, in, ...] reads what the weight [out, in, ...] reads, and up gives as much."""
        down = self.tensors["down"]
        up = self.tensors["up"]
        if down.ndim < 2 or up.ndim < 2:
            return False
        reads = down.shape[1] == weight.shape[1] and down[0].numel() == weight[0].numel()
        gives = up.shape[:2] == (len(weight), len(down)) and up.numel() == len(weight) * len(down)
        return reads and gives and self._has_outputs(len(weight))

    def _has_outputs(self, count: int) -> bool:
        """Whether magnitudes are one for each output; others keep one for each input."""
        if "magnitude" not in self.tensors:
            return True
        magnitude = self.tensors["magnitude"]
        return magnitude.numel() == count and not (magnitude.ndim == 2 and len(magnitude) == 1)

    @property
    def acts(self) -> bool:
        """Whether it changes what the layer says."""
        scaled = "alpha" not in self.tensors or bool(self.tensors["alpha"].any())
        return scaled and bool(self.tensors["up"].any() and self.tensors["down"].any())


def restore_adapters(
    model: LoadedModel, file: Path, expected: set[Place] | None, component: str | None = None
) -> Restored:
    """Put the adapters of a file into an original, whatever the layout of the file.

    expected: the layers that it must have, where that is known; component: the network that it is
    for, where its place says that. Raises `DataError` for a file that is damaged, of another model,
    or whose scale is not known; what it has too much or too little stands in the proof.
    """
    tensors = read_tensors(file)
    check_finite(str(file), tensors)
    layers, foreign = _sorted(model, tensors, component)
    if not layers and tensors:
        first = next(iter(tensors))
        raise DataError(
            f"{file}: none of {len(tensors)} tensors fits (first: {first}); "
            f"{likely_reason(tensors, model)}"
        )
    lacking = (expected or set()) - set(layers)
    missing = sorted(f"{place.component}.{place.layer}" for place in lacking)
    whole = {place: layer for place, layer in layers.items() if {"down", "up"} <= {*layer.tensors}}
    missing += [f"the other half of {layers[p].keys[0]}" for p in layers if p not in whole]
    misfits = _misfits(model, whole)
    if misfits:
        raise DataError(
            f"{file}: {len(misfits)} tensors do not fit (first: {misfits[0]}); "
            f"{likely_reason(tensors, model)}"
        )
    settings = _settings(file, tensors)
    for name in sorted({place.component for place in whole}):
        mine = {p.layer: layer for p, layer in whole.items() if p.component == name}
        _attach(file, model.modules()[name], mine, _of_component(settings, name))
    model.weights_changed()
    applied = Applied(
        applied=sum(len(layer.keys) for layer in whole.values()),
        changed=sum(len(layer.keys) for layer in whole.values() if layer.acts),
        missing=tuple(missing),
        unexpected=tuple(sorted(foreign)),
    )
    return Restored(applied, model.unload_adapters, has_strength=True)


def _sorted(
    model: LoadedModel, tensors: dict[str, Tensor], component: str | None
) -> tuple[dict[Place, Layer], list[str]]:
    """Tensors by layer, and the names of those that belong nowhere."""
    known = places(model, component)
    layers: dict[Place, Layer] = {}
    foreign = []
    for key, tensor in tensors.items():
        split = split_key(key)
        if split is None or split[0] not in known:
            foreign.append(key)
            continue
        layer = layers.setdefault(known[split[0]], Layer())
        layer.tensors[split[1]] = tensor
        layer.keys.append(key)
    return layers, foreign


def _misfits(model: LoadedModel, layers: dict[Place, Layer]) -> list[str]:
    """Names of tensors whose shapes are not those of their layers."""
    modules = model.modules()
    found = []
    for place, layer in layers.items():
        module: Any = modules[place.component].get_submodule(place.layer)
        if not layer.fits(module.weight):
            found.append(layer.keys[0])
    return found


def _settings(file: Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """What metadata, or the configuration beside a file of PEFT, say of scales."""
    is_of_peft = any(key.startswith(PEFT_PREFIX) for key in tensors)
    beside = file.with_name(PEFT_SETTINGS)
    metadata = read_metadata(file)
    try:
        if METADATA_KEY in metadata:
            found = json.loads(metadata[METADATA_KEY])
        elif is_of_peft and beside.is_file():
            found = json.loads(beside.read_text())
        else:
            return {}
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(
            f"{file}: its settings are no JSON ({str(error).splitlines()[0]})"
        ) from error
    if not isinstance(found, dict):
        raise DataError(f"{file}: its settings are no mapping of names to values")
    return found


def _of_component(settings: dict[str, Any], component: str) -> dict[str, Any]:
    """Settings by their plain names: some files put a component's name before each."""
    prefix = f"{component}."
    own = {k.removeprefix(prefix): v for k, v in settings.items() if k.startswith(prefix)}
    return own or settings


def _attach(
    file: Path, module: nn.Module, layers: dict[str, Layer], settings: dict[str, Any]
) -> None:
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    magnitudes = [layer for layer in layers.values() if "magnitude" in layer.tensors]
    if magnitudes and len(magnitudes) < len(layers):
        raise DataError(f"{file}: only {len(magnitudes)} of {len(layers)} layers have magnitudes")
    config = LoraConfig(
        r=next(iter(layers.values())).rank,
        target_modules=list(layers),
        rank_pattern={name: layer.rank for name, layer in layers.items()},
        alpha_pattern=_alphas(file, layers, settings),
        use_dora=bool(magnitudes),
        use_rslora=bool(settings["use_rslora"]) if "use_rslora" in settings else False,
    )
    inject_adapter_in_model(config, module, ADAPTER)
    with torch.no_grad():
        for name, layer in layers.items():
            adapted: Any = module.get_submodule(name)
            parts = {"down": adapted.lora_A, "up": adapted.lora_B}
            if magnitudes:
                parts["magnitude"] = adapted.lora_magnitude_vector
            for part, holder in parts.items():
                own = holder[ADAPTER].weight
                # A layer of 1x1 convolutions may be saved as a linear one, and the other way about.
                own.copy_(layer.tensors[part].reshape(own.shape))
    module.requires_grad_(False).eval()


def _alphas(file: Path, layers: dict[str, Layer], settings: dict[str, Any]) -> dict[str, float]:
    """Alpha by layer: its own tensor's, that of the settings, or its rank where all have one."""
    patterns: Any = settings["alpha_pattern"] if "alpha_pattern" in settings else {}
    if not isinstance(patterns, dict):
        raise DataError(f"{file}: its alpha_pattern is no mapping of names to numbers")
    default = [settings["lora_alpha"]] if "lora_alpha" in settings else []
    alphas: dict[str, float] = {}
    for name, layer in layers.items():
        own = [value for pattern, value in patterns.items() if _matches(file, pattern, name)]
        told: list[Any] = [layer.tensors["alpha"]] if "alpha" in layer.tensors else own + default
        if told:
            alphas[name] = _number(file, f"alpha of {name}", told[0])
    ranks = sorted({layer.rank for name, layer in layers.items() if name not in alphas})
    if len(ranks) > 1:
        raise DataError(
            f"{file}: rank {ranks[0]} and {ranks[-1]} mixed without alpha, so that the scale of "
            "the adapters is not known; save it with alpha"
        )
    return {name: alphas[name] if name in alphas else layer.rank for name, layer in layers.items()}


def _matches(file: Path, pattern: str, layer: str) -> bool:
    """As PEFT reads patterns: whole ends of a name, in which transformers 4 had a prefix."""
    try:
        expression = re.compile(rf"(.*\.)?({pattern})")
    except re.error as error:
        raise DataError(f"{file}: its alpha_pattern {pattern} is no pattern ({error})") from error
    return bool(expression.fullmatch(layer) or expression.fullmatch(f"{TEXT_PREFIX}{layer}"))


def _number(file: Path, what: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{file}: {what} is no number") from error
    if not math.isfinite(number):
        raise DataError(f"{file}: {what} is no finite number")
    return number

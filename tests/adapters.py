"""Adapter files in every layout, from one set of random layers."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sdexp.model.base import LoadedModel
from tests.original_layout import unet_name


@dataclass(frozen=True)
class RandomLayer:
    """Of rank r: down [r, in, ...], up [out, r, ...]."""

    component: str
    layer: str
    down: Tensor
    up: Tensor
    alpha: float


def random_layers(model: LoadedModel, ends: list[str], alpha: float = 3.0) -> list[RandomLayer]:
    """For the layers whose names end so, of rank 2 and, for values, 4."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for component, module in model.modules().items():
        for name, layer in module.named_modules():
            weight = getattr(layer, "weight", None)
            if component == "vae" or weight is None or not name.endswith(tuple(ends)):
                continue
            rank = 4 if name.endswith(("to_v", "v_proj")) else 2
            is_convolution = isinstance(layer, nn.Conv2d)
            into = weight.shape[1:]
            out = (weight.shape[0], rank, *[1] * (2 if is_convolution else 0))
            down = torch.randn(rank, *into, generator=generator) * 0.3
            up = torch.randn(out, generator=generator) * 0.3
            made.append(RandomLayer(component, name, down, up, alpha))
    return made


def merged_by_hand(model: LoadedModel, layers: list[RandomLayer], scaled: bool = True) -> None:
    """W + alpha / rank B A into the original's own weights."""
    for one in layers:
        weight: Any = model.modules()[one.component].get_submodule(one.layer).weight
        delta = one.up.flatten(1) @ one.down.flatten(1)
        scale = one.alpha / len(one.down) if scaled else 1.0
        with torch.no_grad():
            weight += scale * delta.view(weight.shape)
    model.weights_changed()


def _plain(layer: str) -> str:
    return layer.removeprefix("text_model.")


def diffusers(model: LoadedModel, layers: list[RandomLayer], folder: Path) -> Path:
    """As diffusers writes them today, alpha in the metadata."""
    tensors, settings = {}, {}
    for one in layers:
        text = "" if one.component == "unet" else "text_model."
        name = f"{one.component}.{text}{_plain(one.layer)}"
        tensors |= {f"{name}.lora_A.weight": one.down, f"{name}.lora_B.weight": one.up}
        settings[f"{one.component}.lora_alpha"] = one.alpha
    file = folder / "pytorch_lora_weights.safetensors"
    save_file(tensors, file, {"lora_adapter_metadata": json.dumps(settings)})
    return file


def older(model: LoadedModel, layers: list[RandomLayer], folder: Path) -> Path:
    """As diffusers wrote them in 2023: down and up, alpha is the rank."""
    tensors = {}
    for one in layers:
        text, kind = (
            ("", "lora") if one.component == "unet" else ("text_model.", "lora_linear_layer")
        )
        name = f"{one.component}.{text}{_plain(one.layer)}.{kind}"
        tensors |= {f"{name}.down.weight": one.down, f"{name}.up.weight": one.up}
    file = folder / "older.safetensors"
    save_file(tensors, file)
    return file


def processors(model: LoadedModel, layers: list[RandomLayer], folder: Path) -> Path:
    """As diffusers first wrote them: attention processors, alpha is the rank."""
    tensors = {}
    for one in layers:
        name = re.sub(r"\.(to_\w+?)(\.0)?$", r".processor.\1_lora", one.layer)
        tensors |= {f"{name}.down.weight": one.down, f"{name}.up.weight": one.up}
    file = folder / "processors.safetensors"
    save_file(tensors, file)
    return file


def peft(model: LoadedModel, layers: list[RandomLayer], folder: Path) -> Path:
    """As PEFT writes them, alpha in the configuration beside them."""
    tensors = {}
    for one in layers:
        name = f"base_model.model.{one.layer}"
        tensors |= {f"{name}.lora_A.weight": one.down, f"{name}.lora_B.weight": one.up}
    file = folder / "adapter_model.safetensors"
    save_file(tensors, file)
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": layers[0].alpha, "corda_config": None}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return file


def kohya(model: LoadedModel, layers: list[RandomLayer], folder: Path) -> Path:
    """As kohya's scripts write them, alpha beside each; those for SDXL by the original's names."""
    is_xl = "text_encoder_2" in model.modules()
    text = {"text_encoder": "lora_te1" if is_xl else "lora_te", "text_encoder_2": "lora_te2"}
    tensors = {}
    for one in layers:
        if one.component == "unet":
            name = unet_name(model.modules()["unet"], f"{one.layer}.") if is_xl else one.layer
            flat = "lora_unet_" + name.rstrip(".").replace(".", "_")
        else:
            flat = f"{text[one.component]}_text_model_" + _plain(one.layer).replace(".", "_")
        tensors |= {
            f"{flat}.lora_down.weight": one.down,
            f"{flat}.lora_up.weight": one.up,
            f"{flat}.alpha": torch.tensor(one.alpha),
        }
    file = folder / "kohya.safetensors"
    save_file(tensors, file, {"ss_network_dim": "4"})
    return file


LAYOUTS: dict[str, Callable[[LoadedModel, list[RandomLayer], Path], Path]] = {
    "diffusers": diffusers,
    "older": older,
    "processors": processors,
    "peft": peft,
    "kohya": kohya,
}

"""The layouts in which adapter files are exchanged, and where their tensors belong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sdexp.model.base import TEXT_PREFIX, Component, LoadedModel

if TYPE_CHECKING:
    from torch import Tensor

Part = Literal["down", "up", "alpha", "magnitude"]

# How the names of tensors end, the longer before the shorter: PEFT, diffusers, older diffusers with
# attention processors, kohya.
ENDS: dict[str, Part] = {
    ".lora_magnitude_vector.weight": "magnitude",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_magnitude_vector": "magnitude",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".dora_scale": "magnitude",
    ".alpha": "alpha",
}
PEFT_PREFIX = "base_model.model."
# Where diffusers keeps the configuration of adapters, in the header of their file.
METADATA_KEY = "lora_adapter_metadata"
PEFT_SETTINGS = "adapter_config.json"
# The adapter's name inside PEFT.
ADAPTER = "default"
# Families by the width of their text side: for people, and as kohya's tools call them.
FAMILIES = {
    768: ("Stable Diffusion 1", "sd_v1", "stable-diffusion-v1/lora"),
    1024: ("Stable Diffusion 2", "sd_v2", "stable-diffusion-v2-512/lora"),
    2048: ("SDXL", "sdxl_base_v1-0", "stable-diffusion-xl-v1-base/lora"),
}


@dataclass(frozen=True)
class Place:
    """A layer of a model."""

    component: str
    layer: str


def split_key(key: str) -> tuple[str, Part] | None:
    """The layer as the file spells it, and which tensor of its adapter; None for something else."""
    for end, part in ENDS.items():
        if key.endswith(end):
            return _plain(key.removesuffix(end)), part
    return None


def _plain(layer: str) -> str:
    """Without what some writers put in: PEFT's wrapper, processors, a prefix twice."""
    name = layer.removeprefix(PEFT_PREFIX).replace(".processor", "")
    name = name.replace("lora_unet_unet_", "lora_unet_").removeprefix("unet.unet.")
    return re.sub(r"\.to_out$", ".to_out.0", name)


def places(model: LoadedModel, only: str | None = None) -> dict[str, Place]:
    """Every layer that an adapter may change, by each of its spellings; of all networks or one."""
    from torch import nn

    found: dict[str, Place] = {}
    for name, component in model.components().items():
        if component.adapter_prefix is None or only not in (None, name):
            continue
        for layer, module in component.module.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                for spelling in _spellings(name, component, layer):
                    found.setdefault(spelling, Place(name, layer))
    return found


def _spellings(name: str, component: Component, layer: str) -> list[str]:
    plain = layer.removeprefix(TEXT_PREFIX)
    dotted = [plain, f"{TEXT_PREFIX}{plain}"]
    spellings = [f"{name}.{text}" for text in dotted] + dotted
    names = (plain, component.original_name(plain))
    flat = [f"{component.flat_prefix}{text.replace('.', '_')}" for text in names]
    return spellings + flat


def likely_reason(tensors: dict[str, Tensor], model: LoadedModel) -> str:
    """Why a file does not fit, as far as its names and widths tell; ends what is told."""
    if any(re.fullmatch(r"(unet|text_encoder):\d+:(up|down)", key) for key in tensors):
        return "its layers are only numbered, which tells no place: convert it with its own tool"
    lycoris = [key for key in tensors if re.search(r"\.(hada_|lokr_|lora_mid|oft_)", key)]
    if lycoris:
        return f"{lycoris[0]} is of another method than LoRA"
    own = model.text_width
    widths = cross_attention_widths(tensors)
    other = next((width for width in widths.values() if width != own), None)
    if other is not None:
        made = FAMILIES[other][0] if other in FAMILIES else f"a text side of width {other}"
        return f"it was made for {made}, this model's text side is {own} wide"
    if any(key.startswith(("lora_te1_", "lora_te2_", "text_encoder_2.")) for key in tensors):
        return "it was made for SDXL"
    return "these weights belong to another model"


def cross_attention_widths(tensors: dict[str, Tensor]) -> dict[str, int]:
    """Inputs of the layers that read a prompt, by the names of their tensors."""
    found = {}
    for key, tensor in tensors.items():
        split = split_key(key)
        is_down = split is not None and split[1] == "down" and tensor.ndim > 1
        if split and is_down and re.search(r"attn2[._]to_[kv]$", split[0]):
            found[key] = int(tensor.shape[1])
    return found

"""Adapters that lie in a model, written in the layouts that other tools read."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.finetune.layouts import FAMILIES, METADATA_KEY, PEFT_PREFIX, PEFT_SETTINGS
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import write_text
from sdexp.ground.tensors import write_tensors
from sdexp.model.base import TEXT_PREFIX, LoadedModel

if TYPE_CHECKING:
    from torch import Tensor

DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"
PEFT_FILE = "adapter_model.safetensors"
KOHYA_FILE = "lora.safetensors"


class ExportFormat(StrEnum):
    """What reads an export: diffusers, PEFT, kohya's and kindred tools, or diffusers as a whole."""

    diffusers = "diffusers"
    peft = "peft"
    kohya = "kohya"
    pipeline = "pipeline"


def adapted(model: LoadedModel) -> list[str]:
    """Names of the networks that have adapters."""
    modules = model.modules()
    return [name for name, module in modules.items() if getattr(module, "peft_config", None)]


def adapter_tensors(module: Any) -> dict[str, Tensor]:
    """The adapter's tensors under PEFT's names, `<layer>.lora_A.weight` and `lora_B`.

    Not under diffusers' older names: those exist for attention layers only, and a file with both
    kinds loses the attention layers when diffusers reads it.
    """
    from peft.utils import get_peft_model_state_dict

    name = next(iter(module.peft_config))
    # Else PEFT asks the Hub for the original's vocabulary, or warns that it could not.
    tensors: dict[str, Tensor] = get_peft_model_state_dict(
        module, adapter_name=name, save_embedding_layers=False
    )
    return tensors


def adapter_settings(module: Any) -> dict[str, Any]:
    """PEFT's configuration of the adapters; the same wherever the original lay."""
    from peft.tuners.lora import LoraLayer

    ((name, config),) = module.peft_config.items()
    found = config.to_dict() | {"base_model_name_or_path": None}
    if config.rank_pattern or config.alpha_pattern:
        # Of patterns that overlap the first counts, and a file keeps no order.
        layers = {key: m for key, m in module.named_modules() if isinstance(m, LoraLayer)}
        found["rank_pattern"] = {key: layer.r[name] for key, layer in layers.items()}
        found["alpha_pattern"] = {key: layer.lora_alpha[name] for key, layer in layers.items()}
    return {key: sorted(v) if isinstance(v, set) else v for key, v in found.items()}


def write_diffusers(model: LoadedModel, folder: Path) -> None:
    """One file for all networks, as diffusers writes it; the same weights give the same bytes."""
    components = model.components()
    settings: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for name in adapted(model):
        module = components[name].module
        for key, value in adapter_settings(module).items():
            settings[f"{name}.{key}"] = value
        for key, tensor in adapter_tensors(module).items():
            # Of a text encoder transformers reads the magnitudes of DoRA by whole names only.
            end = ".weight" if key.endswith(".lora_magnitude_vector") else ""
            tensors[f"{components[name].adapter_prefix}{key}{end}"] = tensor
    # diffusers reads alpha from here and would take alpha = rank without it. One key only:
    # safetensors writes several in an order that differs from process to process.
    metadata = {METADATA_KEY: json.dumps(settings, indent=2, sort_keys=True)}
    write_tensors(folder / DIFFUSERS_FILE, tensors, metadata)


def write_peft(model: LoadedModel, folder: Path, base: str) -> None:
    """A folder for each network, which `PeftModel.from_pretrained` reads.

    base: name of the original.
    """
    for name in adapted(model):
        module = model.modules()[name]
        tensors = {f"{PEFT_PREFIX}{key}": t for key, t in adapter_tensors(module).items()}
        write_tensors(folder / name / PEFT_FILE, tensors, {"format": "pt"})
        settings = adapter_settings(module) | {"base_model_name_or_path": base}
        text = json.dumps(settings, indent=2, sort_keys=True, default=str)
        write_text(folder / name / PEFT_SETTINGS, f"{text}\n")


def write_kohya(model: LoadedModel, folder: Path, notes: dict[str, str]) -> None:
    """One file with the alpha of every layer beside its tensors, as kohya's scripts write it.

    notes: further texts for its header. Raises `ConfigError` for DoRA, of which readers of this
    layout expect different shapes.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    components = model.components()
    tensors: dict[str, Tensor] = {}
    ranks: set[int] = set()
    for name in adapted(model):
        for layer, module in components[name].module.named_modules():
            if not isinstance(module, LoraLayer):
                continue
            (adapter,) = module.lora_A.keys()
            if len(module.lora_magnitude_vector):
                raise ConfigError("format=kohya: has no place for DoRA; choose diffusers or peft")
            rank = module.r[adapter]
            ranks.add(rank)
            flat = components[name].flat_prefix + layer.removeprefix(TEXT_PREFIX).replace(".", "_")
            tensors[f"{flat}.lora_down.weight"] = module.lora_A[adapter].weight
            tensors[f"{flat}.lora_up.weight"] = module.lora_B[adapter].weight
            # Readers scale by alpha / rank, whatever scale was trained with.
            tensors[f"{flat}.alpha"] = torch.tensor(module.scaling[adapter] * rank)
    header = {"ss_network_module": "networks.lora", "ss_network_dim": str(max(ranks)), **notes}
    if model.text_width in FAMILIES:
        _, version, architecture = FAMILIES[model.text_width]
        header |= {"ss_base_model_version": version, "modelspec.architecture": architecture}
    write_tensors(folder / KOHYA_FILE, tensors, header)

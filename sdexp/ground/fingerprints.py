"""Hashes of networks and of whatever else decides what they compute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

# What a configuration says about its file, not about the network.
NO_SETTINGS = ("transformers_version", "dtype", "torch_dtype")
# What a call of a tokenizer leaves behind.
STATE_OF_CALLS = ("truncation", "padding")


@dataclass(frozen=True)
class SeenFile:
    """A file, and what changes when its bytes do: place on the disk, size and times."""

    path: Path
    facts: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> SeenFile:
        """The file as it is now."""
        found = path.stat()
        times = (found.st_mtime_ns, found.st_ctime_ns)
        return cls(path.resolve(), (found.st_dev, found.st_ino, found.st_size, *times))

    @property
    def size(self) -> int:
        """In bytes."""
        return self.facts[2]


@dataclass(frozen=True)
class NetworkState:
    """What a network computes with: its tensors, not copies of them, and hashes of its settings.

    It stays what it is when layers are put into the network, or given other tensors, later.
    """

    tensors: dict[str, Tensor]
    settings: tuple[str, ...]

    @classmethod
    def of(cls, module: nn.Module, config: Mapping[str, Any]) -> NetworkState:
        """The state now; the settings are the configuration and the scale of adapters."""
        settings = (settings_sha256(config), settings_sha256(_scales(module)))
        return cls(dict(module.state_dict()), settings)

    def sha256(self) -> str:
        """The fingerprint of the network."""
        parts = [tensors_sha256(self.tensors), *self.settings]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def network_sha256(module: nn.Module, config: Mapping[str, Any]) -> str:
    """sha256 over a network's tensors, its configuration and the scale of its adapters."""
    return NetworkState.of(module, config).sha256()


def weights_sha256(module: nn.Module) -> str:
    """sha256 over names, types and bytes of a network's tensors."""
    return tensors_sha256(module.state_dict())


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types and bytes."""
    import torch

    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def settings_sha256(values: Mapping[str, Any]) -> str:
    """sha256 over plain values; what only tells where they came from is left out."""
    kept = {
        key: value
        for key, value in values.items()
        if not key.startswith("_") and key not in NO_SETTINGS
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def tokenizer_sha256(tokenizer: PreTrainedTokenizerBase) -> str:
    """sha256 over everything that decides which tokens a text becomes."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    return settings_sha256(
        {
            "backend": {k: v for k, v in backend.items() if k not in STATE_OF_CALLS},
            "special": tokenizer.special_tokens_map,
            "max_length": tokenizer.model_max_length,
            "sides": [tokenizer.padding_side, tokenizer.truncation_side],
        }
    )


def _scales(module: nn.Module) -> dict[str, Any]:
    """By how much each adapted layer's adapters count."""
    if getattr(module, "peft_config", None) is None:
        return {}
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = {n: m for n, m in module.named_modules() if isinstance(m, BaseTunerLayer)}
    return {name: [layer.scaling, layer.active_adapters] for name, layer in layers.items()}

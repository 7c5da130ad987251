"""Published architectures: their configurations ship with the package, their weights do not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.assets import ASSETS

if TYPE_CHECKING:
    from torch import nn
    from transformers import CLIPTokenizer

CONFIGS = Path(__file__).with_name("configs")
# The merges of CLIP's byte-pair encoding (Radford et al. 2021), as its authors published them.
MERGES = ASSETS / "clip_bpe" / "bpe_simple_vocab_16e6.txt.gz"
NUM_MERGES = 48_894
BEGIN = "<|startoftext|>"
END = "<|endoftext|>"


def architectures() -> list[str]:
    """Names of the folders that ship with the package."""
    return sorted(folder.name for folder in CONFIGS.iterdir())


def new_network(architecture: str, name: str) -> nn.Module:
    """The network `name` of an architecture, with the usual initial weights."""
    return network_of(name, CONFIGS / architecture / name)


def network_of(name: str, folder: Path) -> nn.Module:
    """The network `name` of a folder with its configuration."""
    kind = network_kinds()[name]
    if hasattr(kind, "load_config"):
        diffuser: nn.Module = kind.from_config(kind.load_config(folder))
        return diffuser
    transformer: nn.Module = kind(kind.config_class.from_pretrained(folder))
    return transformer


def network_kinds() -> dict[str, Any]:
    """Classes of the networks by the names of their folders."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    return {
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
    }


def published_tokenizer(architecture: str, name: str) -> CLIPTokenizer:
    """The tokenizer `name` of an architecture: CLIP's 49,408 tokens."""
    from transformers import CLIPTokenizer

    settings = json.loads((CONFIGS / architecture / name / "tokenizer_config.json").read_text())
    lines = gzip.decompress(MERGES.read_bytes()).decode().splitlines()
    merges = [(left, right) for left, right in map(str.split, lines[1 : NUM_MERGES + 1])]
    letters = _letters()
    words = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        *(f"{left}{right}" for left, right in merges),
        BEGIN,
        END,
    ]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=merges,
        pad_token=settings["pad_token"],
        model_max_length=settings["model_max_length"],
    )


def _letters() -> list[str]:
    """A visible character for each of the 256 bytes: those that can be seen come first."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    seen += range(ord("®"), ord("ÿ") + 1)
    return [chr(byte) for byte in seen] + [chr(256 + k) for k in range(256 - len(seen))]

"""What a checkpoint's folder, or that of an architecture, says without its weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.model.architecture import CONFIGS, published_tokenizer
from sdexp.model.parts import tokenizer_of

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


def native_resolution(folder: Path) -> int:
    """The side in pixels: that of the latents by what the VAE's levels make of it."""
    unet = json.loads((folder / "unet" / "config.json").read_text())
    vae = json.loads((folder / "vae" / "config.json").read_text())
    side: int = unet["sample_size"] << (len(vae["block_out_channels"]) - 1)
    return side


def tokenizers(folder: Path, encoders: Iterable[str]) -> dict[str, CLIPTokenizer]:
    """The tokenizer of each text encoder, by its folder."""
    from transformers import CLIPTokenizer

    names = [tokenizer_of(encoder) for encoder in encoders]
    if folder.parent == CONFIGS:
        return {name: published_tokenizer(folder.name, name) for name in names}
    return {name: CLIPTokenizer.from_pretrained(folder, subfolder=name) for name in names}

"""What a checkpoint's folder, or that of an architecture, says without its weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.ground.errors import DataError
from sdexp.model.architecture import CONFIGS, published_tokenizer
from sdexp.model.parts import tokenizer_of

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


def native_resolution(folder: Path) -> int:
    """The side in pixels: that of the latents by what the VAE's levels make of it.

    Raises `DataError` for a folder that does not say.
    """
    try:
        unet = json.loads((folder / "unet" / "config.json").read_text())
        vae = json.loads((folder / "vae" / "config.json").read_text())
        side: int = unet["sample_size"] << (len(vae["block_out_channels"]) - 1)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: no diffusers folder ({error}); name one that is") from error
    return side


def tokenizers(folder: Path, encoders: Iterable[str]) -> dict[str, CLIPTokenizer]:
    """The tokenizer of each text encoder, by its folder; raises `DataError` where one lacks."""
    from transformers import CLIPTokenizer

    names = [tokenizer_of(encoder) for encoder in encoders]
    if folder.parent == CONFIGS:
        return {name: published_tokenizer(folder.name, name) for name in names}
    # Of an empty folder the library makes a tokenizer that knows no word.
    lacking = [name for name in names if not (folder / name / "tokenizer_config.json").is_file()]
    if lacking:
        raise DataError(f"{folder}: holds no {lacking[0]}; name a whole diffusers folder")
    return {name: CLIPTokenizer.from_pretrained(folder, subfolder=name) for name in names}

"""Small checkpoints of the real families: their classes and layouts, a few million weights."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from sdexp.ground.streams import stream
from sdexp.model.architecture import CONFIGS, network_of, published_tokenizer
from sdexp.model.base import Draws
from sdexp.model.checkpoint import AbstractCheckpoint, Weights
from sdexp.model.stable_diffusion import StableDiffusion
from sdexp.model.stable_diffusion_xl import StableDiffusionXL

KINDS: dict[str, type[AbstractCheckpoint]] = {
    "sd1": StableDiffusion,
    "sd2_base": StableDiffusion,
    "sd2": StableDiffusion,
    "sd_turbo": StableDiffusion,
    "sdxl": StableDiffusionXL,
    "sdxl_turbo": StableDiffusionXL,
}
# A hundredth of the published widths; what tells the families apart stays.
WIDTH = 16


def recipe(
    name: str = "pocket-sd",
    kind: type[AbstractCheckpoint] = StableDiffusion,
    architecture: str = "sd1",
    weights: Weights = Weights.pretrained,
) -> AbstractCheckpoint:
    return kind(name, None, None, weights, architecture, True, False)


def of(folders: dict[str, Path], family: str) -> AbstractCheckpoint:
    """The recipe of one of these folders."""
    return recipe(str(folders[family]), KINDS[family], family)


def draws(shape: tuple[int, int, int], count: int, first: int = 0) -> Draws:
    """The chance of pictures `first`, `first` + 1 ..."""
    keys = range(first, first + count)
    latents = torch.stack([torch.randn(shape, generator=stream(0, "t", k)) for k in keys])
    return Draws(latents, [stream(0, "s", k) for k in keys])


def tiny_checkpoint(folder: Path, family: str, seed: int = 0) -> Path:
    """A diffusers folder of the family with small networks and the real tokenizer."""
    shutil.copytree(CONFIGS / family, folder)
    width = _narrow_text(folder)
    _narrow(folder / "unet" / "config.json", _unet(folder, width))
    _narrow(
        folder / "vae" / "config.json", {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4}
    )
    for config in sorted(folder.glob("*/config.json")):
        name = config.parent.name
        torch.manual_seed(seed)
        network: Any = network_of(name, config.parent)
        for parameter in network.parameters():
            # The usual initial weights are so small that nothing would matter.
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.7 / parameter[0].numel() ** 0.5)
        network.save_pretrained(config.parent)
    for tokenizer in folder.glob("tokenizer*"):
        published_tokenizer(family, tokenizer.name).save_pretrained(tokenizer)
    return folder


def _narrow_text(folder: Path) -> int:
    """Returns the width of the states that the U-Net listens to."""
    total = 0
    for number, config in enumerate(sorted(folder.glob("text_encoder*/config.json"))):
        width = WIDTH * (1 + number)
        sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 3}
        _narrow(config, sizes | {"num_attention_heads": 2, "projection_dim": width})
        total += width
    return total


def _unet(folder: Path, width: int) -> dict[str, Any]:
    config = json.loads((folder / "unet" / "config.json").read_text())
    blocks = len(config["block_out_channels"])
    changes: dict[str, Any] = {
        "block_out_channels": [WIDTH, *[2 * WIDTH] * (blocks - 1)],
        "norm_num_groups": 4,
        "cross_attention_dim": width,
        "attention_head_dim": 2 if isinstance(config["attention_head_dim"], int) else [2] * blocks,
        "sample_size": 8,
    }
    if "addition_time_embed_dim" in config:
        changes["transformer_layers_per_block"] = [1, 1, 2]
        changes["addition_time_embed_dim"] = 8
        changes["projection_class_embeddings_input_dim"] = 6 * 8 + 2 * WIDTH
    return changes


def _narrow(file: Path, changes: dict[str, Any]) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))

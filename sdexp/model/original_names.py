"""Names of a U-Net's layers in the original layout of Stable Diffusion."""

import re
from typing import Any

SAMPLERS = re.compile(r"(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv")
BLOCKS = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)")
MIDDLE = {
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
}
ENDS = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
RESNET = {
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def original_name(config: Any, name: str) -> str:
    """The original name of the layer that diffusers calls `name`.

    config: of the U-Net, whose blocks the original numbers through.
    """
    if name in ENDS:
        return ENDS[name]
    sampler = SAMPLERS.fullmatch(name)
    if sampler:
        return _sampler(config, sampler[1], int(sampler[2]))
    block = BLOCKS.fullmatch(name)
    if block:
        way, number, kind, layer, rest = block.groups()
        return _block(config, way, int(number), kind, int(layer), rest)
    for ours, theirs in MIDDLE.items():
        if name.startswith(ours):
            rest = name.removeprefix(ours)
            return theirs + (RESNET[rest] if rest in RESNET else rest)
    return name


def _sampler(config: Any, way: str, block: int) -> str:
    layers = config.layers_per_block
    last = block * (layers + 1) + layers
    if way == "down":
        return f"input_blocks.{last + 1}.0.op"
    attends = "CrossAttn" in config.up_block_types[block]
    return f"output_blocks.{last}.{2 if attends else 1}.conv"


def _block(config: Any, way: str, block: int, kind: str, layer: int, rest: str) -> str:
    number = block * (config.layers_per_block + 1) + layer
    place = f"input_blocks.{number + 1}" if way == "down" else f"output_blocks.{number}"
    if kind == "attentions":
        return f"{place}.1.{rest}"
    return f"{place}.0.{RESNET[rest] if rest in RESNET else rest}"

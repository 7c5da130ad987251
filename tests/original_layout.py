"""One file in the original layout of Stable Diffusion, from the networks of a folder."""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

# Residual blocks of a U-Net's block, before what samples down.
LAYERS = 2
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
VAE = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
OPEN_CLIP = {
    "encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn": "attn",
    "final_layer_norm": "ln_final",
    "embeddings.token_embedding": "token_embedding",
    "embeddings.position_embedding.weight": "positional_embedding",
    "text_projection.weight": "text_projection",
}


def write_original(file: Path, networks: dict[str, Any]) -> None:
    """Write the networks of a folder, by their names there."""
    tensors = {
        f"model.diffusion_model.{unet_name(networks['unet'], key)}": value
        for key, value in networks["unet"].state_dict().items()
    }
    blocks = len(networks["vae"].config.block_out_channels)
    for key, value in networks["vae"].state_dict().items():
        name = f"first_stage_model.{_vae_name(key, blocks)}"
        is_convolution = ".attn_1." in name and value.ndim == 2
        tensors[name] = value[:, :, None, None] if is_convolution else value
    first = networks["text_encoder"].state_dict()
    is_xl = "text_encoder_2" in networks
    if is_xl or networks["text_encoder"].config.hidden_act == "quick_gelu":
        prefix = "conditioner.embedders.0." if is_xl else "cond_stage_model."
        tensors |= {f"{prefix}transformer.text_model.{key}": t for key, t in first.items()}
    else:
        tensors |= _open_clip("cond_stage_model.model.", first)
    if is_xl:
        second = networks["text_encoder_2"].state_dict()
        tensors |= _open_clip("conditioner.embedders.1.model.", second)
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, file)


def unet_name(unet: Any, key: str) -> str:
    for ours, theirs in UNET.items():
        if key.startswith(ours):
            key = key.replace(ours, theirs, 1)
    found = re.match(r"(down|up)_blocks\.(\d+)\.(\w+?)s\.(\d+)\.(.*)", key)
    if found:
        key = _block_name(unet, found[1], int(found[2]), found[3], int(found[4]), found[5])
    if re.match(r"(input|output)_blocks\.\d+\.0\.|middle_block\.[02]\.", key):
        for ours, theirs in RESNET.items():
            key = re.sub(rf"\.{ours}\.", f".{theirs}.", key)
    return key


def _block_name(unet: Any, way: str, block: int, kind: str, layer: int, rest: str) -> str:
    start = block * (LAYERS + 1)
    is_attentive = "CrossAttn" in unet.config[f"{way}_block_types"][block]
    if kind == "downsampler":
        return f"input_blocks.{1 + start + LAYERS}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsampler":
        return f"output_blocks.{start + LAYERS}.{2 if is_attentive else 1}.{rest}"
    place = "input_blocks" if way == "down" else "output_blocks"
    number = start + layer + (1 if way == "down" else 0)
    return f"{place}.{number}.{1 if kind == 'attention' else 0}.{rest}"


def _vae_name(key: str, blocks: int) -> str:
    for ours, theirs in VAE.items():
        key = re.sub(rf"(^|\.){re.escape(ours)}\.", rf"\g<1>{theirs}.", key)
    key = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", key)
    key = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", key)
    found = re.match(r"decoder\.up_blocks\.(\d+)\.(resnets|upsamplers\.0)\.(.*)", key)
    if found:
        kind = "block" if found[2] == "resnets" else "upsample"
        key = f"decoder.up.{blocks - 1 - int(found[1])}.{kind}.{found[3]}"
    return key


def _open_clip(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    for key, value in tensors.items():
        name = key.removeprefix("text_model.")
        for ours, theirs in OPEN_CLIP.items():
            name = name.replace(ours, theirs)
        made[f"{prefix}{name}"] = value.T if name == "text_projection" else value
    for key in [key for key in made if ".attn.q_proj." in key]:
        parts = [made.pop(key.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        made[key.replace("q_proj.", "in_proj_")] = torch.cat(parts)
    return made

"""One file of weights in the original layout of Stable Diffusion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.applied import HARMLESS, apply_all
from sdexp.ground.errors import DataError
from sdexp.ground.tensors import read_tensors
from sdexp.model.architecture import CONFIGS, new_network
from sdexp.model.base import TEXT_PREFIX

if TYPE_CHECKING:
    from torch import Tensor, nn

    Tensors = dict[str, Tensor]

# Where the text encoders lie; which of them a file has tells its family.
CLIP = "cond_stage_model.transformer."
OPEN_CLIP = "cond_stage_model.model."
FIRST_OF_TWO = "conditioner.embedders.0.transformer."
SECOND_OF_TWO = "conditioner.embedders.1.model."
FIRST = "Stable Diffusion 1"
SECOND = "Stable Diffusion 2"
XL = "Stable Diffusion XL"
FAMILIES = {CLIP: FIRST, OPEN_CLIP: SECOND, SECOND_OF_TWO: XL}
UNET = "model.diffusion_model."


def read_single_file(file: Path, architecture: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The networks of an architecture, float32, with all weights from the file.

    Raises `DataError` for a file that is damaged, not whole, or of another family.
    """
    from accelerate import init_empty_weights

    tensors = {name: tensor.float() for name, tensor in read_tensors(file).items()}
    _check_family(file, tensors, architecture)
    with init_empty_weights(include_buffers=False):
        networks = {name: new_network(architecture, name) for name in names}
    for name, own in own_tensors(networks, tensors, family_of(architecture)).items():
        apply_all(f"{file}: {name}", networks[name], own, assign=True)
        networks[name].eval()
    return networks


def own_tensors(networks: dict[str, Any], tensors: Tensors, family: str) -> dict[str, Tensors]:
    """The tensors of a file by network, under the names that they have there in memory.

    Raises `DataError` for a file of another family than that of the networks, and for one that
    lacks what the conversion begins with.
    """
    found = family_in(tensors)
    if found != family:
        raise DataError(f"a checkpoint of {found}, not of {family}; choose its model=")
    try:
        return {n: _own_names(net, _converted(n, net, tensors)) for n, net in networks.items()}
    except KeyError as error:
        raise DataError(f"the checkpoint is not whole: it lacks {error}") from error


def family_in(tensors: Tensors) -> str | None:
    """The family of a whole checkpoint in the original layout; None where it is none."""
    found = [family for prefix, family in FAMILIES.items() if _has(tensors, prefix)]
    return found[0] if found and _has(tensors, UNET) else None


def _check_family(file: Path, tensors: Tensors, architecture: str) -> None:
    found = family_in(tensors)
    if found is None:
        raise DataError(
            f"{file}: no whole checkpoint in the original layout ({UNET}*, and a text encoder "
            "below cond_stage_model.* or conditioner.*); name one, or a diffusers folder"
        )
    wanted = family_of(architecture)
    if found != wanted:
        raise DataError(f"{file}: a checkpoint of {found}, not of {wanted}; choose its model=")


def family_of(architecture: str) -> str:
    """The family of a shipped architecture."""
    folder = CONFIGS / architecture
    if (folder / "text_encoder_2").is_dir():
        return XL
    settings = json.loads((folder / "text_encoder" / "config.json").read_text())
    return family_by(settings["hidden_act"])


def family_by(activation: str) -> str:
    """Of one text encoder: OpenCLIP's towers have another activation than OpenAI's."""
    return FIRST if activation == "quick_gelu" else SECOND


def _has(tensors: Tensors, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in tensors)


def _converted(name: str, network: Any, tensors: Tensors) -> Tensors:
    """The tensors of one network under diffusers' names."""
    from diffusers.loaders.single_file_utils import (
        convert_ldm_clip_checkpoint,
        convert_ldm_unet_checkpoint,
        convert_ldm_vae_checkpoint,
        convert_open_clip_checkpoint,
    )

    def first_encoder() -> Tensors:
        if _has(tensors, OPEN_CLIP):
            return convert_open_clip_checkpoint(network, tensors, OPEN_CLIP)
        return convert_ldm_clip_checkpoint(tensors)

    converters: dict[str, Callable[[], Tensors]] = {
        "unet": lambda: convert_ldm_unet_checkpoint(dict(tensors), network.config),
        "vae": lambda: convert_ldm_vae_checkpoint(dict(tensors), network.config),
        "text_encoder": first_encoder,
        "text_encoder_2": lambda: convert_open_clip_checkpoint(network, tensors, SECOND_OF_TWO),
    }
    return converters[name]()


def _own_names(network: nn.Module, tensors: Tensors) -> Tensors:
    """Under the names that they have in memory: some text encoders there have no prefix."""
    own = network.state_dict()
    return {
        (name if name in own else name.removeprefix(TEXT_PREFIX)): tensor
        for name, tensor in tensors.items()
        if not name.endswith(HARMLESS)
    }

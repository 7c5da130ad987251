"""Train the whole U-Net."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.finetune.base import (
    AbstractFinetune,
    apply_tensors,
    freeze_all,
    read_tensors,
    unfreeze,
    write_network_config,
)
from sdexp.ground.applied import Applied
from sdexp.ground.tensors import write_tensors
from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    from torch import nn

FILE = Path("unet") / "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class WholeUNet(AbstractFinetune):
    """Every weight of the U-Net; VAE and text encoder stay frozen."""

    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        freeze_all(model)
        return unfreeze("unet", model.modules()["unet"])

    def save(self, model: LoadedModel, folder: Path) -> None:
        unet = model.modules()["unet"]
        write_tensors(folder / FILE, unet.state_dict(), {"format": "pt"})
        write_network_config(folder / FILE.parent / "config.json", unet.to_json_string())

    def restore(self, model: LoadedModel, folder: Path) -> Applied:
        model.weights_changed()
        return apply_tensors(model.modules()["unet"], read_tensors(folder / FILE))

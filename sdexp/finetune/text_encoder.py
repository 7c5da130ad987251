"""Train the pipeline's own text encoder."""

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
)
from sdexp.ground.applied import Applied
from sdexp.ground.tensors import write_tensors
from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    from torch import nn

FILE = Path("text_encoder") / "model.safetensors"
# Published checkpoints and older readers name the tensors with it; transformers 5 dropped it.
PREFIX = "text_model."


@dataclass(frozen=True)
class TextEncoder(AbstractFinetune):
    """Every weight of the text encoder, trained through the frozen U-Net."""

    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        freeze_all(model)
        return unfreeze("text_encoder", model.modules()["text_encoder"])

    def save(self, model: LoadedModel, folder: Path) -> None:
        encoder = model.modules()["text_encoder"]
        tensors = {
            f"{PREFIX}{key.removeprefix(PREFIX)}": tensor
            for key, tensor in encoder.state_dict().items()
        }
        write_tensors(folder / FILE, tensors, {"format": "pt"})
        encoder.config.save_pretrained(folder / FILE.parent)

    def restore(self, model: LoadedModel, folder: Path) -> Applied:
        encoder = model.modules()["text_encoder"]
        prefixed = any(key.startswith(PREFIX) for key in encoder.state_dict())
        tensors = {
            (key if prefixed else key.removeprefix(PREFIX)): tensor
            for key, tensor in read_tensors(folder / FILE).items()
        }
        model.weights_changed()
        return apply_tensors(encoder, tensors)

"""Checkpoints of known families: a diffusers folder, a Hub id, one file, or random weights."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from sdexp.ground.assets import check_weights, hub_is_reachable, is_embedded, located
from sdexp.ground.checks import require
from sdexp.ground.errors import DataError
from sdexp.ground.files import named_path
from sdexp.ground.quiet import quiet_libraries
from sdexp.model import settings
from sdexp.model.architecture import CONFIGS, architectures
from sdexp.model.base import AbstractModel, LoadedModel
from sdexp.model.parts import KEY, Parts, file_parts, folder_parts, random_parts
from sdexp.model.text import are_overlong

SAFE = ".safetensors"
# The last step is sampled only by trailing steps.
FROM_NOISE_ALONE = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
V_PREDICTION = re.compile(r"v[-_ ]prediction", re.IGNORECASE)
PICKLES = (".ckpt", ".pt", ".pth", ".bin")


class Weights(StrEnum):
    """Where weights come from."""

    pretrained = "pretrained"
    random = "random"


@dataclass(frozen=True)
class AbstractCheckpoint(AbstractModel):
    """Recipe of a checkpoint of a known family.

    `pretrained_model_name_or_path` is an embedded name ("pocket-sd"), a local diffusers folder, a
    Hub id, or one .safetensors file in the original layout; `revision` a commit of that repository,
    `variant` the part of its file names before the suffix, such as fp16. `architecture` names the
    published configuration, for what one file does not say; with `weights: random` it is all there
    is, and `allow_random` lets even those be evaluated. `rescale_betas_zero_snr` has training and
    sampling begin from noise alone (Lin et al. 2023, arXiv 2305.08891); it asks for v_prediction.
    encoders: the folders of the text encoders.
    """

    encoders: ClassVar[tuple[str, ...]]

    pretrained_model_name_or_path: str
    revision: str | None
    variant: str | None
    weights: Weights
    architecture: str
    allow_random: bool
    rescale_betas_zero_snr: bool

    def __post_init__(self) -> None:
        name = self.pretrained_model_name_or_path
        if not name.strip():
            raise ValueError(f"{KEY} is empty: name a local folder or a Hub id")
        if Path(name).suffix in PICKLES:
            raise ValueError(f"{KEY}={name}: a pickle can run any code; {conversion(name)}")
        known = architectures()
        own = self.architecture
        require("model", own in known, "architecture", own, ", ".join(known))

    @property
    def name(self) -> str:
        return self.pretrained_model_name_or_path

    @property
    def is_embedded(self) -> bool:
        return is_embedded(self.pretrained_model_name_or_path)

    @property
    def is_random(self) -> bool:
        return self.weights == Weights.random

    @property
    def may_be_evaluated(self) -> bool:
        return self.allow_random or not self.is_random

    def check(self) -> None:
        name = self.pretrained_model_name_or_path
        if self.is_random:
            return
        if not name.endswith(SAFE):
            check_weights(KEY, name, "model_index.json", hub_is_reachable())
        elif not named_path(KEY, name).is_file():
            raise DataError(f"{KEY}={name}: no such file; name one, a folder or a Hub id")

    def warnings(self) -> list[str]:
        """Of a folder whose card speaks of another prediction type than its scheduler."""
        folder = Path(located(self.pretrained_model_name_or_path))
        card = folder / "README.md"
        scheduler = folder / "scheduler" / "scheduler_config.json"
        if self.is_random or not (card.is_file() and scheduler.is_file()):
            return []
        settings = json.loads(scheduler.read_text())
        own = settings["prediction_type"] if "prediction_type" in settings else "epsilon"
        if own == "v_prediction" or not V_PREDICTION.search(card.read_text(errors="replace")):
            return []
        return [
            f"{KEY}={self.pretrained_model_name_or_path}: its card speaks of v-prediction and its "
            f"scheduler says {own}; {own} is what trains and samples"
        ]

    def native_resolution(self) -> int:
        return settings.native_resolution(self._settings)

    def overlong(self, captions: list[str]) -> list[bool]:
        quiet_libraries()
        return are_overlong(settings.tokenizers(self._settings, self.encoders), captions)

    @property
    def _settings(self) -> Path:
        """A folder of configurations: the checkpoint's own where it is on this machine."""
        folder = Path(located(self.pretrained_model_name_or_path))
        is_own = folder.is_dir() and not self.is_random
        return folder if is_own else CONFIGS / self.architecture

    def load(self, device: str) -> LoadedModel:
        quiet_libraries()
        try:
            return self.assemble(self._parts(), device)
        except ValueError as error:
            name = self.pretrained_model_name_or_path
            raise DataError(f"{KEY}={name}: {error}") from error

    @abstractmethod
    def assemble(self, parts: Parts, device: str) -> LoadedModel:
        """The family's model of these parts."""

    def _parts(self) -> Parts:
        parts = self._given_parts()
        if not self.rescale_betas_zero_snr:
            return parts
        return replace(parts, scheduler={**parts.scheduler, **FROM_NOISE_ALONE})

    def _given_parts(self) -> Parts:
        name = self.pretrained_model_name_or_path
        if self.is_random:
            return random_parts(self.architecture, self.encoders)
        if name.endswith(SAFE):
            return file_parts(Path(name), self.architecture, self.encoders)
        return folder_parts(name, self.revision, self.variant, self.encoders)


def conversion(name: str) -> str:
    """The line that makes a safetensors file of a pickled checkpoint."""
    target = Path(name).with_suffix(SAFE).name
    return (
        'convert it: python -c "import torch, safetensors.torch as s; '
        f"c = torch.load('{Path(name).name}', weights_only=True, map_location='cpu'); "
        "s.save_file({k: v.contiguous() for k, v in c.get('state_dict', c).items() "
        f"if hasattr(v, 'shape')}}, '{target}')\""
    )

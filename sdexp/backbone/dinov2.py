"""The network of FD-DINOv2."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sdexp.backbone.base import (
    AbstractBackbone,
    Gift,
    LoadedBackbone,
    check_kind,
    check_pictures,
    exactly,
)
from sdexp.ground.applied import check_loading
from sdexp.ground.assets import check_weights
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import network_sha256
from sdexp.ground.quiet import quiet_libraries

if TYPE_CHECKING:
    import numpy as np
    from transformers import Dinov2Model

SIDE = 224
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Dinov2(AbstractBackbone):
    """A DINOv2 model (Oquab et al. 2023, arXiv 2304.07193).

    images: the class token after the last norm, of pictures squashed to 224 pixels, bicubic with
    antialiasing, as Stein et al. 2023 (arXiv 2306.04675). `pretrained_model_name_or_path` is a
    local folder or a Hub id.
    """

    gives: ClassVar[frozenset[Gift]] = frozenset({"images"})

    pretrained_model_name_or_path: str

    @property
    def name(self) -> str:
        return self.pretrained_model_name_or_path

    @property
    def width(self) -> int:
        from transformers import Dinov2Config

        return int(Dinov2Config.from_pretrained(self.name).hidden_size)

    def check(self, key: str, reachable: bool) -> None:
        check_weights(key, self.name, "config.json", reachable)

    def start(self, device: str) -> LoadedBackbone:
        import torch
        from transformers import Dinov2Model

        quiet_libraries()
        try:
            check_kind(self.name, self.name, "dinov2")
            model, info = Dinov2Model.from_pretrained(
                self.name, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(
                f"backbone={self.name}: cannot be loaded ({str(error).splitlines()[0]}); name a "
                "DINOv2 folder or Hub id with model.safetensors"
            ) from error
        check_loading(f"backbone={self.name}", info)
        torch.nn.Module.to(model, device)
        return LoadedDinov2(self.name, model)


class LoadedDinov2(LoadedBackbone):
    """A DINOv2 model in float32."""

    def __init__(self, name: str, model: Dinov2Model) -> None:
        self.name = name
        self.model = model
        digest = network_sha256(model, model.config.to_dict())
        self.sha256 = hashlib.sha256(f"{digest} {SIDE} {MEAN} {STD}".encode()).hexdigest()

    def images(self, pictures: np.ndarray) -> np.ndarray:
        import numpy as np
        import torch

        check_pictures(pictures)
        device = self.model.device
        pixels = torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float()
        size = (SIDE, SIDE)
        with exactly():
            small = torch.nn.functional.interpolate(pixels, size, mode="bicubic", antialias=True)
            mean, std = (torch.tensor(one, device=device)[:, None, None] for one in (MEAN, STD))
            states = self.model((small.clamp(0, 255) / 255 - mean) / std).pooler_output
        features: np.ndarray = states.double().cpu().numpy()
        return features

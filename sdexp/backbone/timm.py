"""Any picture network of the `timm` package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sdexp.backbone.base import AbstractBackbone, Gift, LoadedBackbone, check_pictures, exactly
from sdexp.ground.applied import apply_all
from sdexp.ground.assets import WEIGHTS, check_weights, weights_file
from sdexp.ground.errors import ConfigError
from sdexp.ground.fingerprints import settings_sha256, weights_sha256
from sdexp.ground.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from PIL import Image
    from torch import Tensor

# Pictures that go through the network together on a CPU: more do not fit its caches.
AT_ONCE = 8


@dataclass(frozen=True)
class Timm(AbstractBackbone):
    """A network of `timm` (Wightman 2019): the pooled features before its classifier.

    architecture: timm's name; pictures are resized, cropped and normalised as the network's own
    settings say. `pretrained_model_name_or_path` is the embedded "efficientnet_lite0" (ImageNet,
    Tan and Le 2019, arXiv 1905.11946, without squeeze and excitation), a folder with
    model.safetensors, such a file, or a Hub id. allow_random: for tests; null weights are then
    random ones, and every number says so.
    """

    gives: ClassVar[frozenset[Gift]] = frozenset({"images", "classes"})

    architecture: str
    pretrained_model_name_or_path: str | None
    allow_random: bool

    def __post_init__(self) -> None:
        if self.pretrained_model_name_or_path is None and not self.allow_random:
            raise ValueError(
                f"backbone {self.architecture}: pretrained_model_name_or_path=null would be random "
                "weights; name weights, or set allow_random=true for a test"
            )

    @property
    def name(self) -> str:
        if self.pretrained_model_name_or_path is None:
            return f"{self.architecture} (random weights)"
        return self.pretrained_model_name_or_path

    @property
    def width(self) -> int:
        import torch

        with torch.device("meta"):
            return int(self._network().num_features)

    def check(self, key: str, reachable: bool) -> None:
        if self.pretrained_model_name_or_path is not None:
            check_weights(key, self.pretrained_model_name_or_path, WEIGHTS, reachable)

    def start(self, device: str) -> LoadedBackbone:
        import torch
        from timm.data import create_transform, resolve_data_config

        # Making the network draws random numbers, which nobody else may miss.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = self._network()
        if self.pretrained_model_name_or_path is not None:
            file = weights_file(self.pretrained_model_name_or_path)
            apply_all(str(file), network, read_tensors(file))
        settings = resolve_data_config({}, model=network)
        prepare = create_transform(**settings, is_training=False)
        # Convolutions of single channels are 1.6 times as fast on a CPU in this layout.
        torch.nn.Module.to(network.float().eval(), device)
        torch.nn.Module.to(network, memory_format=torch.channels_last)
        return LoadedTimm(self.name, network, settings, prepare)

    def _network(self) -> Any:
        """With its classifier, so that every tensor of a file has its place."""
        import timm

        try:
            return timm.create_model(self.architecture, pretrained=False)
        except RuntimeError as error:
            raise ConfigError(
                f"backbone architecture={self.architecture}: timm has no such network; "
                "timm.list_models() names them"
            ) from error


class LoadedTimm(LoadedBackbone):
    """A network in float32; `prepare` makes its input of a picture."""

    def __init__(
        self,
        name: str,
        network: Any,
        settings: dict[str, Any],
        prepare: Callable[[Image.Image], Tensor],
    ) -> None:
        self.name = name
        self.network = network
        self.prepare = prepare
        parts = (weights_sha256(network), settings_sha256(settings))
        self.sha256 = hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def images(self, pictures: np.ndarray) -> np.ndarray:
        return self._head(pictures, pre_logits=True)

    def classes(self, pictures: np.ndarray) -> np.ndarray:
        return self._head(pictures, pre_logits=False)

    def _head(self, pictures: np.ndarray, pre_logits: bool) -> np.ndarray:
        import torch
        from PIL import Image

        check_pictures(pictures)
        pixels = torch.stack([self.prepare(Image.fromarray(one)) for one in pictures])
        device = next(self.network.parameters()).device
        pixels = pixels.to(device, memory_format=torch.channels_last)
        parts = pixels.split(AT_ONCE if device.type == "cpu" else len(pixels))
        with exactly():
            states = [self.network.forward_features(part) for part in parts]
            given = [self.network.forward_head(state, pre_logits=pre_logits) for state in states]
        values: np.ndarray = torch.cat(given).double().cpu().numpy()
        return values

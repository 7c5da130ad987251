"""The network of FID."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sdexp.backbone.base import (
    AbstractBackbone,
    Gift,
    LoadedBackbone,
    Standard,
    check_pictures,
    exactly,
)
from sdexp.ground.applied import apply_all
from sdexp.ground.errors import DataError
from sdexp.ground.files import file_sha256, named_path
from sdexp.ground.fingerprints import weights_sha256

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

SIDE = 299
WIDTH = 2048
FILE = "weights-inception-2015-12-05-6726825d.pth"
SOURCE = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"
# As torch.hub counts: the last part of the file's name is how its sha256 begins.
SHA256 = "6726825d"
SIZE = "91 MB"


class Resize(StrEnum):
    """How pictures become 299 pixels wide."""

    clean = "clean"
    legacy_tf = "legacy_tf"


@dataclass(frozen=True)
class Inception(AbstractBackbone):
    """The Inception network of 2015, TensorFlow's weights (Szegedy et al. 2016, arXiv 1512.00567).

    images: the 2,048 pooled features that FID is defined over; classes: the logits. torchvision's
    network of that name is another one. resize: how pictures become 299 pixels wide; "clean" as
    Parmar et al. 2022 (arXiv 2104.11222), bicubic with antialiasing and without rounding;
    "legacy_tf" as TensorFlow 1 and torch-fidelity, bilinear without antialiasing. Numbers by one do
    not compare with those by the other, so the name says which.

    `pretrained_model_name_or_path` is the published file; null: the one in torch's cache, where it
    is downloaded to. allow_random: for tests; any weights then, and every number says so.
    """

    gives: ClassVar[frozenset[Gift]] = frozenset({"images", "classes"})
    standards: ClassVar[frozenset[Standard]] = frozenset({"fid"})

    pretrained_model_name_or_path: str | None
    resize: Resize
    allow_random: bool

    @property
    def name(self) -> str:
        weights = ", random weights" if self.allow_random else ""
        return f"inception-2015 ({self.resize}{weights})"

    @property
    def width(self) -> int:
        return WIDTH

    def check(self, key: str, reachable: bool) -> None:
        named = self.pretrained_model_name_or_path
        if named is not None and not named_path(key, named).is_file():
            raise DataError(f"{key}={named}: no such file")
        may_lack = self.allow_random or reachable
        if named is None and not may_lack and not _cached().is_file():
            raise DataError(
                f"{key}: {FILE} ({SIZE}) is not on this machine and HF_HUB_OFFLINE=1; put what "
                f"lies at {SOURCE} to {_cached()}"
            )

    def start(self, device: str) -> LoadedBackbone:
        import torch

        # Making the network draws random numbers, which nobody else may miss.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = new_network()
        if self.pretrained_model_name_or_path is not None or not self.allow_random:
            apply_all(self.name, network, self._tensors())
        network.eval()
        return LoadedInception(self.name, network.to(device), self.resize)

    def _tensors(self) -> dict[str, Tensor]:
        import torch

        named = self.pretrained_model_name_or_path
        file = _downloaded() if named is None else Path(named)
        if not self.allow_random and not file_sha256(file).startswith(SHA256):
            raise DataError(
                f"{file}: not the published weights (sha256 {SHA256}...), so the number would be "
                f"no FID; get {SOURCE}"
            )
        tensors: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        return tensors


def _cached() -> Path:
    """Where `torch.hub` keeps the file, and torch-fidelity through it; asked before torch loads."""
    caches = os.getenv("XDG_CACHE_HOME", "~/.cache")
    home = os.getenv("TORCH_HOME", os.path.join(caches, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints" / FILE


def _downloaded() -> Path:
    import torch

    file = _cached()
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(SOURCE, str(file), hash_prefix=SHA256, progress=False)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"backbone.inception: {SOURCE} ({SIZE}) cannot be had ({error}); put it to {file}"
            ) from error
    return file


def new_network() -> nn.Module:
    """The network with random weights, its layers under the names of the published file."""
    from torch import nn
    from torch_fidelity import feature_extractor_inceptionv3 as blocks

    conv = blocks.BasicConv2d
    layers = OrderedDict(
        Conv2d_1a_3x3=conv(3, 32, kernel_size=3, stride=2),
        Conv2d_2a_3x3=conv(32, 32, kernel_size=3),
        Conv2d_2b_3x3=conv(32, 64, kernel_size=3, padding=1),
        MaxPool_1=nn.MaxPool2d(kernel_size=3, stride=2),
        Conv2d_3b_1x1=conv(64, 80, kernel_size=1),
        Conv2d_4a_3x3=conv(80, 192, kernel_size=3),
        MaxPool_2=nn.MaxPool2d(kernel_size=3, stride=2),
        Mixed_5b=blocks.InceptionA(192, pool_features=32),
        Mixed_5c=blocks.InceptionA(256, pool_features=64),
        Mixed_5d=blocks.InceptionA(288, pool_features=64),
        Mixed_6a=blocks.InceptionB(288),
        Mixed_6b=blocks.InceptionC(768, channels_7x7=128),
        Mixed_6c=blocks.InceptionC(768, channels_7x7=160),
        Mixed_6d=blocks.InceptionC(768, channels_7x7=160),
        Mixed_6e=blocks.InceptionC(768, channels_7x7=192),
        Mixed_7a=blocks.InceptionD(768),
        Mixed_7b=blocks.InceptionE_1(1280),
        Mixed_7c=blocks.InceptionE_2(WIDTH),
        AvgPool=nn.AdaptiveAvgPool2d(output_size=(1, 1)),
        Flatten=nn.Flatten(),
        fc=nn.Linear(WIDTH, 1008),
    )
    return nn.Sequential(layers)


class LoadedInception(LoadedBackbone):
    """The network in float32, and how pictures are resized for it."""

    def __init__(self, name: str, network: nn.Module, resize: Resize) -> None:
        self.name = name
        self.network = network
        self.resize = resize
        self.sha256 = hashlib.sha256(f"{weights_sha256(network)}\n{resize}".encode()).hexdigest()

    def images(self, pictures: np.ndarray) -> np.ndarray:
        features: np.ndarray = self._pooled(pictures).double().cpu().numpy()
        return features

    def classes(self, pictures: np.ndarray) -> np.ndarray:
        """Without the last layer's bias, as the Inception score has always had it."""
        with exactly():
            given = self._pooled(pictures) @ self.network.get_parameter("fc.weight").T
        logits: np.ndarray = given.double().cpu().numpy()
        return logits

    def _pooled(self, pictures: np.ndarray) -> Tensor:
        import numpy as np
        import torch

        check_pictures(pictures)
        weight = next(self.network.parameters())
        pixels = torch.from_numpy(np.array(pictures)).to(weight).permute(0, 3, 1, 2)
        with exactly():
            states = (resized(pixels, self.resize) - 128) / 128
            for layer in list(self.network.children())[:-1]:
                states = layer(states)
        pooled: Tensor = states
        return pooled


def resized(pixels: Tensor, resize: Resize) -> Tensor:
    """Pictures float [N, 3, H, W] in [0, 255] as [N, 3, 299, 299] in the same range."""
    import torch
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x,
    )

    size = (SIDE, SIDE)
    if resize == Resize.legacy_tf:
        legacy: Tensor = interpolate_bilinear_2d_like_tensorflow1x(
            pixels, size=size, align_corners=False
        )
        return legacy
    smooth = torch.nn.functional.interpolate(pixels, size, mode="bicubic", antialias=True)
    return smooth.clamp(0, 255)

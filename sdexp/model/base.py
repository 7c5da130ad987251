"""What a text-to-image model is: a recipe, and the networks in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from sdexp.ground.fingerprints import NetworkState, SeenFile
from sdexp.ground.sampling import Sampling

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor, nn


# Told after each step of a sampler: its number, from 1, and the latents [B, C, h, w].
Watch: TypeAlias = Callable[[int, "Tensor"], None]
# What published files put before the tensors of a CLIP text encoder; transformers 5 dropped it.
TEXT_PREFIX = "text_model."


@dataclass(frozen=True)
class Moments:
    """Mean and log-variance of the VAE posterior, each [B, C, h, w], not yet scaled."""

    mean: Tensor
    logvar: Tensor


@dataclass(frozen=True)
class Framing:
    """How a square was cut from a picture, in pixels, heights and tops first.

    original_size: of the picture; top_left: where the square begins once the picture has been
    scaled to it; target_size: of the square.
    """

    original_size: tuple[int, int]
    top_left: tuple[int, int]
    target_size: tuple[int, int]


@dataclass(frozen=True)
class Condition:
    """What a family's text side gives to its network: nobody else looks inside.

    states: [B, L, D]; pooled: [B, P], sizes: [B, 6] or None.
    """

    states: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None


@dataclass(frozen=True)
class Draws:
    """The chance of B pictures, each picture's its own.

    latents: unit normal, [B, C, h, w]; generators: for what a sampler adds on its way.
    """

    latents: Tensor
    generators: list[torch.Generator]


@dataclass(frozen=True)
class Component:
    """A network, and where it lies in files.

    file: of its weights, below a folder of the diffusers layout; tensor_prefix: what published
    files put before the names of its tensors; adapter_prefix: the same in files of adapters, None
    where it takes none; settings: the text of its config.json; unread: how the names of tensors
    begin that the family never reads, such as a layer behind its condition; flat_prefix: what
    kohya's adapters put before names whose dots are underscores; original_name: from the name of a
    layer to that in the family's original layout.
    """

    module: nn.Module
    file: Path
    tensor_prefix: str
    adapter_prefix: str | None
    settings: str
    unread: tuple[str, ...] = ()
    flat_prefix: str = ""
    original_name: Callable[[str], str] = str


class AbstractNoiseSchedule(ABC):
    """How noise is added and what the network is asked for.

    A level, one for each sample, says how noisy it is: a whole timestep, or a time from 0 to 1.
    """

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Tensor:
        """A level for training, from a sample's stream."""

    @abstractmethod
    def noisy(self, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Latents [B, C, h, w] with unit-normal noise of the same shape added."""

    @abstractmethod
    def target(self, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """What the network should say, [B, C, h, w]."""

    @abstractmethod
    def snr(self, level: Tensor) -> Tensor:
        """Signal-to-noise ratio [B]."""

    @abstractmethod
    def share(self, level: Tensor) -> Tensor:
        """How far from no noise to nothing else, [B] from 0 to 1."""

    @abstractmethod
    def loss_scale(self, level: Tensor) -> Tensor:
        """The squared error of the network's output over that of the latents it implies, [B]."""


class LoadedModel(ABC):
    """A text-to-image model in memory; knows everything about its family.

    `sample_size` is the native side of a picture in pixels, `text_width` the width of the states
    that the denoiser listens to; levels of `schedule` lie on `device`; `pipeline`: diffusers' own.
    """

    schedule: AbstractNoiseSchedule
    sample_size: int
    text_width: int
    device: str
    pipeline: Any

    @abstractmethod
    def components(self) -> dict[str, Component]:
        """The networks by the names of their folders."""

    def modules(self) -> dict[str, Any]:
        """The networks themselves."""
        return {name: component.module for name, component in self.components().items()}

    def original_tensors(self, tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Those of a file in the family's original layout, by network and their names in memory."""
        return {}

    def files(self) -> dict[str, SeenFile]:
        """The file that each network was read from, as it was before, where it was one file."""
        return {}

    @abstractmethod
    def set_memory(self, gradient_checkpointing: bool, channels_last: bool) -> None:
        """Trade time for memory, and choose the layout of the denoiser's weights."""

    def pack_frozen(self, dtype: torch.dtype) -> None:
        """Spend a CPU's memory on the denoiser's frozen layers, if a type makes some faster."""
        return None

    def compile_blocks(self) -> None:
        """Compile the blocks of the denoiser, if it has some; names of tensors stay."""
        return None

    def freeze_in(self, dtype: torch.dtype, pictures_too: bool = True) -> None:
        """Keep every number that does not train in a type; what trains stays as it is.

        Float32 stays where a type is too small, and unless `pictures_too` where they are encoded.
        """
        from sdexp.model.packed import PackedConv2d

        for name, module in self.modules().items():
            if not self.may_freeze(name, dtype, pictures_too):
                continue
            layers = [layer for layer in module.modules() if not isinstance(layer, PackedConv2d)]
            for parameter in (p for layer in layers for p in layer.parameters(recurse=False)):
                if not parameter.requires_grad:
                    parameter.data = parameter.data.to(dtype)
        self.weights_changed()

    def may_freeze(self, name: str, dtype: torch.dtype, pictures_too: bool) -> bool:
        """Whether the numbers of a network may be kept in a type."""
        return True

    @abstractmethod
    def unload_adapters(self) -> None:
        """Take adapters off again, so that the original is left."""

    @abstractmethod
    def encode_images(self, pixels: Tensor) -> Moments:
        """pixels: [B, 3, H, W] in [-1, 1]."""

    @abstractmethod
    def latents(self, moments: Moments, noise: Tensor) -> Tensor:
        """A scaled draw of the posterior; noise: [B, C, h, w], unit normal."""

    @abstractmethod
    def encode_prompts(self, prompts: list[str], framings: list[Framing]) -> Condition:
        """The condition of B samples; prompts are cut at the tokenizer's length."""

    def remember_prompts(self, limit: int) -> None:
        """Keep what frozen text encoders say of prompts, in so many bytes of memory."""
        return None

    def pooled_prompts(self, prompts: list[str]) -> Tensor:
        """What the component `text_encoder`, where there is one, pools of prompts, [B, w]."""
        raise NotImplementedError

    def overlong(self, prompts: list[str]) -> int:
        """How many of the prompts it reads only the beginning of."""
        return 0

    @abstractmethod
    def predict(self, noisy: Tensor, level: Tensor, condition: Condition) -> Tensor:
        """The network's output for noisy latents [B, C, h, w] at levels [B]."""

    @abstractmethod
    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(C, h, w) of the latents of a picture of so many pixels."""

    @abstractmethod
    def generate(
        self, prompts: list[str], draws: Draws, sampling: Sampling, watch: Watch | None = None
    ) -> np.ndarray:
        """Pictures uint8 [B, H, W, 3]; what a picture is does not depend on the others."""

    @abstractmethod
    def save_settings(self, folder: Path) -> None:
        """Write what a folder of the networks needs beside them to be opened as a whole."""

    @abstractmethod
    def states(self) -> dict[str, NetworkState]:
        """Of each network what its fingerprint is taken of."""

    @abstractmethod
    def settings_prints(self) -> dict[str, str]:
        """Fingerprints of what is no network: tokenizers and scheduler."""

    @abstractmethod
    def fingerprints(self) -> dict[str, str]:
        """sha256 of each network as it is now, with its settings, and of what is none."""

    @abstractmethod
    def recall(self, networks: dict[str, str]) -> None:
        """Take fingerprints of networks from one who knows them; until `weights_changed`."""

    @abstractmethod
    def encoder_sha256(self) -> str:
        """sha256 of what `encode_images` depends on; moments are stored by it."""

    @abstractmethod
    def weights_changed(self) -> None:
        """Tell that tensors of a network, or adapters, are not what they were."""


@dataclass(frozen=True)
class AbstractModel(ABC):
    """Recipe of a text-to-image model; `trainable` names the networks that a strategy may train."""

    trainable: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def name(self) -> str:
        """As a person named it."""

    @property
    @abstractmethod
    def is_embedded(self) -> bool:
        """Whether it is the one of the embedded world, which knows nothing else."""

    @abstractmethod
    def check(self) -> None:
        """Raise `DataError` when the weights are not on this machine; loads nothing."""

    def warnings(self) -> list[str]:
        """What a person should know of it before it is loaded."""
        return []

    @property
    def may_be_evaluated(self) -> bool:
        """Whether its pictures can mean anything."""
        return True

    @abstractmethod
    def native_resolution(self) -> int:
        """The side of its pictures in pixels; loads no weights."""

    @abstractmethod
    def overlong(self, captions: list[str]) -> list[bool]:
        """Of each caption whether only its beginning is read; loads no weights."""

    @abstractmethod
    def load(self, device: str) -> LoadedModel:
        """The original on `device` ("cpu", "cuda:0", "mps"), in float32.

        Raises `DataError` where weights are missing, damaged or not whole.
        """

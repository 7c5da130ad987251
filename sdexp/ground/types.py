"""Values and errors that every part shares. Imports no torch when loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from PIL.Image import Image
    from torch import Tensor


class SdexpError(Exception):
    """A fault told to a person in one line; `exit_code` is that of the command."""

    exit_code = 70


class ConfigError(SdexpError):
    """The configuration is wrong: says key, value, what is allowed and how to mend it."""

    exit_code = 2


class DataError(SdexpError):
    """The data is missing or unusable."""

    exit_code = 65


class DiskError(SdexpError):
    """A file could not be written."""

    exit_code = 74


class MemoryFault(SdexpError):
    """The device has too little memory."""

    exit_code = 75


class DivergedError(SdexpError):
    """The loss is not a number any more."""

    exit_code = 76


@dataclass(frozen=True)
class Sample:
    """One picture of a data set: upright RGB of any size, and at least one caption."""

    sample_id: str
    image: Image
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One file or row that a data set dropped or repaired, and why."""

    item: str
    reason: str


@dataclass
class Findings:
    """What a data set dropped and what it repaired, in the order of reading."""

    dropped: list[Finding] = field(default_factory=list)
    repaired: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Applied:
    """Proof of loading: how many tensors were applied, and which did not fit.

    `changed` counts the applied tensors that differ from the original's.
    """

    applied: int
    changed: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    def check(self, what: str) -> None:
        """Raise `DataError` unless everything was applied and something differs."""
        if self.missing or self.unexpected:
            first = (self.missing + self.unexpected)[0]
            raise DataError(
                f"{what}: {len(self.missing)} tensors missing and {len(self.unexpected)} "
                f"unexpected (first: {first}); these weights belong to another model"
            )
        if self.applied == 0:
            raise DataError(f"{what}: no tensor was applied; the folder holds no usable weights")
        if self.changed == 0:
            raise DataError(
                f"{what}: all {self.applied} tensors equal the original's; training changed nothing"
            )


@dataclass(frozen=True)
class Sampling:
    """How pictures are made; the same for every model that is compared.

    `resolution` is the side of the square picture in pixels.
    """

    sampler: str
    num_inference_steps: int
    guidance_scale: float
    negative_prompt: str
    resolution: int


@dataclass(frozen=True)
class Moments:
    """Mean and log-variance of the VAE posterior, each [B, C, h, w], not yet scaled."""

    mean: Tensor
    logvar: Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """What the objective sees: scaled latents [B, C, h, w] and text states [B, L, D]."""

    latents: Tensor
    condition: Tensor


class LoadedModel(ABC):
    """A text-to-image model in memory; knows everything about its family.

    `prediction_type` is "epsilon", "v_prediction" or "sample"; `alphas_cumprod` is [T] on the
    model's device; `sample_size` is the native side of a picture in pixels.
    """

    prediction_type: str
    alphas_cumprod: Tensor
    sample_size: int
    device: str

    @abstractmethod
    def modules(self) -> dict[str, Any]:
        """The networks by the names of their folders: unet, text_encoder, vae."""

    @abstractmethod
    def set_memory(self, gradient_checkpointing: bool, channels_last: bool) -> None:
        """Trade time for memory, and choose the layout of the U-Net's weights."""

    @abstractmethod
    def load_adapters(self, folder: Path) -> None:
        """Load saved LoRA adapters in the way that plain diffusers does."""

    @abstractmethod
    def encode_images(self, pixels: Tensor) -> Moments:
        """pixels: [B, 3, H, W] in [-1, 1]."""

    @abstractmethod
    def latents(self, moments: Moments, noise: Tensor) -> Tensor:
        """A scaled draw of the posterior; noise: [B, C, h, w], unit normal."""

    @abstractmethod
    def encode_prompts(self, prompts: list[str]) -> Tensor:
        """Text states [B, L, D] of the prompts, cut at the tokenizer's length."""

    @abstractmethod
    def predict(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """The network's output for noisy latents [B, C, h, w] at timesteps t: [B]."""

    @abstractmethod
    def latent_shape(self, resolution: int) -> tuple[int, int, int]:
        """(C, h, w) of the latents of a square picture with that side."""

    @abstractmethod
    def generate(self, prompts: list[str], noise: Tensor, sampling: Sampling) -> np.ndarray:
        """Pictures uint8 [B, H, W, 3] from unit-normal latents [B, C, h, w]."""

    @abstractmethod
    def fingerprints(self) -> dict[str, str]:
        """sha256 of each network's weights, and of tokenizer and scheduler config."""

"""What a text-to-image model is: a recipe, and the networks in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.sampling import Sampling

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Mean and log-variance of the VAE posterior, each [B, C, h, w], not yet scaled."""

    mean: Tensor
    logvar: Tensor


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
        """sha256 of each network's weights as they are now, and of tokenizer and scheduler."""

    @abstractmethod
    def weights_changed(self) -> None:
        """Tell that tensors of a network, or adapters, are not what they were."""


@dataclass(frozen=True)
class AbstractModel(ABC):
    """Recipe of a text-to-image model."""

    @abstractmethod
    def check(self) -> None:
        """Raise `DataError` when the weights are not on this machine; loads nothing."""

    @abstractmethod
    def load(self, device: str, dtype: str) -> LoadedModel:
        """The original on `device` ("cpu", "cuda:0", "mps"); `dtype` is a torch type by name."""

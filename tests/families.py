"""Parts of kinds that the package does not have: a family with a pooled condition and a continuous
schedule, a judge that is no CLIP, and a metric over it. Taken in by `plugins=[tests.families]`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from sdexp.backbone.base import (
    AbstractBackbone,
    AbstractFeatures,
    Gift,
    LoadedBackbone,
    PictureSet,
)
from sdexp.ground.fingerprints import NetworkState
from sdexp.ground.sampling import Sampling
from sdexp.metric.base import AbstractMetric, Partner
from sdexp.model.base import (
    AbstractModel,
    AbstractNoiseSchedule,
    Component,
    Condition,
    Draws,
    Framing,
    LoadedModel,
    Moments,
    Watch,
)

LATENT = 8


class FlowSchedule(AbstractNoiseSchedule):
    """Straight lines from pictures to noise; a level is a time from 0 to 1."""

    def draw(self, generator: torch.Generator) -> Tensor:
        return torch.rand((), generator=generator).clamp(0.01, 0.99)

    def noisy(self, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        time = level.view(-1, 1, 1, 1)
        return (1 - time) * latents + time * noise

    def target(self, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        return noise - latents

    def snr(self, level: Tensor) -> Tensor:
        return ((1 - level) / level) ** 2

    def share(self, level: Tensor) -> Tensor:
        return level

    def loss_scale(self, level: Tensor) -> Tensor:
        return 1 / level**2


@dataclass(frozen=True)
class Flow(AbstractModel):
    """A few thousand weights drawn from a seed; its network is called `transformer`."""

    trainable: ClassVar[tuple[str, ...]] = ("transformer",)

    seed: int

    @property
    def name(self) -> str:
        return f"flow {self.seed}"

    @property
    def is_embedded(self) -> bool:
        return False

    def check(self) -> None:
        """Nothing can be missing."""

    def native_resolution(self) -> int:
        return 8 * LATENT

    def overlong(self, captions: list[str]) -> list[bool]:
        return [False] * len(captions)

    def load(self, device: str) -> LoadedModel:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = UNet2DConditionModel(
                sample_size=LATENT,
                in_channels=3,
                out_channels=3,
                layers_per_block=1,
                norm_num_groups=4,
                block_out_channels=(8, 16),
                cross_attention_dim=16,
                attention_head_dim=8,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=8 + 6 * 8,
            )
        return LoadedFlow(network.to(device), device)


class LoadedFlow(LoadedModel):
    """Latents are pictures in small; prompts become numbers by their hash."""

    def __init__(self, network: Any, device: str) -> None:
        self.network = network
        self.device = device
        self.sample_size = 8 * LATENT
        self.text_width = 16
        self.schedule = FlowSchedule()

    def components(self) -> dict[str, Component]:
        return {
            "transformer": Component(
                module=self.network,
                file=Path("transformer") / "model.safetensors",
                tensor_prefix="inner.",
                adapter_prefix="transformer.",
                settings=self.network.to_json_string(),
            )
        }

    def set_memory(self, gradient_checkpointing: bool, channels_last: bool) -> None:
        if gradient_checkpointing:
            self.network.enable_gradient_checkpointing()

    def unload_adapters(self) -> None:
        self.network.unload_lora()

    def encode_images(self, pixels: Tensor) -> Moments:
        small = torch.nn.functional.interpolate(pixels, size=LATENT, mode="area")
        return Moments(small, torch.full_like(small, -20.0))

    def latents(self, moments: Moments, noise: Tensor) -> Tensor:
        return moments.mean + (0.5 * moments.logvar).exp() * noise

    def encode_prompts(self, prompts: list[str], framings: list[Framing]) -> Condition:
        numbers = torch.stack([_numbers(prompt) for prompt in prompts])
        sizes = [[*f.original_size, *f.top_left, *f.target_size] for f in framings]
        return Condition(
            states=numbers[:, 8:].view(len(prompts), 4, 16),
            pooled=numbers[:, :8],
            sizes=torch.tensor(sizes, dtype=torch.float32),
        )

    def predict(self, noisy: Tensor, level: Tensor, condition: Condition) -> Tensor:
        added = {"text_embeds": condition.pooled, "time_ids": condition.sizes}
        return self.network(
            noisy, 1000 * level, encoder_hidden_states=condition.states, added_cond_kwargs=added
        ).sample

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        return 3, LATENT, LATENT

    def generate(
        self, prompts: list[str], draws: Draws, sampling: Sampling, watch: Watch | None = None
    ) -> np.ndarray:
        side = sampling.height
        whole = Framing((side, side), (0, 0), (side, side))
        condition = self.encode_prompts(prompts, [whole] * len(prompts))
        steps = sampling.num_inference_steps
        latents = draws.latents
        with torch.inference_mode():
            for number in range(steps):
                level = torch.full((len(prompts),), 1 - number / steps)
                latents = latents - self.predict(latents, level, condition) / steps
                if watch is not None:
                    watch(number + 1, latents)
        pictures = torch.nn.functional.interpolate(latents, size=side)
        pixels = ((pictures + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).numpy()

    def save_settings(self, folder: Path) -> None:
        """A folder of it is no pipeline."""

    def states(self) -> dict[str, NetworkState]:
        return {"transformer": NetworkState.of(self.network, self.network.config)}

    def settings_prints(self) -> dict[str, str]:
        return {}

    def fingerprints(self) -> dict[str, str]:
        return {name: state.sha256() for name, state in self.states().items()}

    def recall(self, networks: dict[str, str]) -> None:
        """Everything is measured anew."""

    def encoder_sha256(self) -> str:
        return hashlib.sha256(b"the mean of each area").hexdigest()

    def weights_changed(self) -> None:
        """Nothing is remembered."""


def _numbers(prompt: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big")
    return torch.randn(8 + 4 * 16, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Colours(AbstractBackbone):
    """Mean colours of a picture's quarters, seen without any network."""

    gives: ClassVar[frozenset[Gift]] = frozenset({"images", "pairs"})

    grid: int

    @property
    def name(self) -> str:
        return f"colours of {self.grid}x{self.grid}"

    @property
    def is_embedded(self) -> bool:
        return False

    @property
    def width(self) -> int:
        return 3 * self.grid**2

    def check(self, key: str, reachable: bool) -> None:
        """Nothing can be missing."""

    def start(self, device: str) -> LoadedBackbone:
        return LoadedColours(self.name, self.grid)


class LoadedColours(LoadedBackbone):
    def __init__(self, name: str, grid: int) -> None:
        self.name = name
        self.grid = grid
        self.sha256 = hashlib.sha256(name.encode()).hexdigest()

    def images(self, pictures: np.ndarray) -> np.ndarray:
        count, side = len(pictures), pictures.shape[1] // self.grid
        parts = pictures.reshape(count, self.grid, side, self.grid, side, 3)
        return parts.mean(axis=(2, 4)).reshape(count, -1) / 255

    def pairs(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.abs(self.images(left) - self.images(right)).mean(axis=1)


@dataclass(frozen=True)
class Brightness(AbstractMetric):
    """How bright a picture is."""

    higher_is_better: ClassVar[bool] = True
    partner: ClassVar[Partner] = "caption"
    needs: ClassVar[frozenset[Gift]] = frozenset({"images"})

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        return source.images(pictures).mean(axis=1, keepdims=True)

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        return float(features.mean())

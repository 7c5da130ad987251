"""A latent diffusion model in memory: U-Net, VAE and a text side (Rombach et al. 2022)."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.errors import DivergedError
from sdexp.ground.files import write_text
from sdexp.ground.fingerprints import (
    NetworkState,
    SeenFile,
    settings_sha256,
    tokenizer_sha256,
)
from sdexp.ground.sampling import Sampling
from sdexp.model.base import Component, Condition, Draws, Framing, LoadedModel, Moments, Watch
from sdexp.model.discrete import DiscreteSchedule
from sdexp.model.files import settings_text
from sdexp.model.original_names import original_name
from sdexp.model.samplers import new_sampler
from sdexp.model.single_file import family_in, own_tensors
from sdexp.model.text import AbstractTextSide

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

FILE = "diffusion_pytorch_model.safetensors"


class LoadedLatentDiffusion(LoadedModel):
    """The networks of one pipeline of diffusers; sizes and factors come from their configs."""

    def __init__(
        self, pipeline: Any, text: AbstractTextSide, device: str, files: dict[str, SeenFile]
    ) -> None:
        self.pipeline = pipeline
        self.text = text
        self.device = device
        self.unet = pipeline.unet
        self.vae = pipeline.vae
        self.sample_size = self.unet.config.sample_size * pipeline.vae_scale_factor
        self.text_width = self.unet.config.cross_attention_dim
        self._scheduler = pipeline.scheduler.config
        self.schedule = DiscreteSchedule(
            pipeline.scheduler.alphas_cumprod.to(device), self._scheduler.prediction_type
        )
        self._files = files
        self._prints: dict[str, str] = {}

    def components(self) -> dict[str, Component]:
        return {
            "unet": Component(
                module=self.unet,
                file=Path("unet") / FILE,
                tensor_prefix="",
                adapter_prefix="unet.",
                settings=settings_text(self.unet.to_json_string()),
                flat_prefix="lora_unet_",
                original_name=partial(original_name, self.unet.config),
            ),
            **self.text.components(),
            "vae": Component(
                module=self.vae,
                file=Path("vae") / FILE,
                tensor_prefix="",
                adapter_prefix=None,
                settings=settings_text(self.vae.to_json_string()),
            ),
        }

    def original_tensors(self, tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        if family_in(tensors) is None:
            return {}
        return own_tensors(self.modules(), tensors, self.text.family)

    def files(self) -> dict[str, SeenFile]:
        return self._files

    def set_memory(self, gradient_checkpointing: bool, channels_last: bool) -> None:
        import torch

        if gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
            for encoder in self.text.encoders.values():
                encoder.activation_checkpointing_enable()
        if channels_last:
            self.unet.to(memory_format=torch.channels_last)

    def pack_frozen(self, dtype: torch.dtype) -> None:
        from sdexp.model.packed import pack_convolutions

        pack_convolutions(self.unet, dtype)

    def compile_blocks(self) -> None:
        from diffusers.models.attention import BasicTransformerBlock
        from diffusers.models.resnet import ResnetBlock2D

        for module in self.unet.modules():
            if isinstance(module, BasicTransformerBlock | ResnetBlock2D):
                module.compile(dynamic=False)

    def may_freeze(self, name: str, dtype: torch.dtype, pictures_too: bool) -> bool:
        import torch

        overflows = dtype == torch.float16 and bool(self.vae.config.force_upcast)
        return name != "vae" or (pictures_too and not overflows)

    def unload_adapters(self) -> None:
        self.pipeline.unload_lora_weights()
        self.weights_changed()

    def encode_images(self, pixels: Tensor) -> Moments:
        import torch

        with torch.no_grad():
            posterior = self.vae.encode(pixels.to(self.device, self.vae.dtype)).latent_dist
        return Moments(posterior.mean, posterior.logvar)

    def latents(self, moments: Moments, noise: Tensor) -> Tensor:
        deviation = (0.5 * moments.logvar).exp()
        return (moments.mean + deviation * noise) * self.vae.config.scaling_factor

    def encode_prompts(self, prompts: list[str], framings: list[Framing]) -> Condition:
        return self.text.encode(prompts, framings)

    def remember_prompts(self, limit: int) -> None:
        from sdexp.model.text_memory import TextMemory

        self.text = replace(self.text, memory=TextMemory(limit))

    def pooled_prompts(self, prompts: list[str]) -> Tensor:
        return self.text.pooled(prompts)

    def overlong(self, prompts: list[str]) -> int:
        return self.text.overlong(prompts)

    def predict(self, noisy: Tensor, level: Tensor, condition: Condition) -> Tensor:
        return self.unet(
            noisy,
            level,
            encoder_hidden_states=condition.states,
            added_cond_kwargs=self.text.added(condition),
        ).sample

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        factor = self.pipeline.vae_scale_factor
        return self.vae.config.latent_channels, height // factor, width // factor

    def generate(
        self, prompts: list[str], draws: Draws, sampling: Sampling, watch: Watch | None = None
    ) -> np.ndarray:
        import torch

        pipeline = self.pipeline
        pipeline.scheduler = new_sampler(sampling.sampler, self._scheduler)
        # A training may read what is kept of these prompts, which inference mode would forbid.
        with torch.no_grad():
            texts = self.text.inputs(prompts, sampling.negative_prompt)
        with torch.inference_mode():
            result = pipeline(
                **texts,
                height=sampling.height,
                width=sampling.width,
                num_inference_steps=sampling.num_inference_steps,
                guidance_scale=sampling.guidance_scale,
                latents=draws.latents.to(self.device, self.unet.dtype),
                generator=draws.generators,
                output_type="pt",
                callback_on_step_end=None if watch is None else partial(_told, watch),
            )
        if not bool(result.images.isfinite().all()):
            raise DivergedError(
                "a picture holds values that are no finite numbers: the weights are broken, or too "
                "large for the precision"
            )
        pixels = (result.images.float().clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    def save_settings(self, folder: Path) -> None:
        """Tokenizers in both forms: releases before 5 of transformers read the older one only."""
        from diffusers import DDIMScheduler

        self.pipeline.save_config(folder)
        DDIMScheduler.from_config(self._scheduler).save_pretrained(folder / "scheduler")
        for name, tokenizer in self.text.tokenizers.items():
            tokenizer.save_pretrained(folder / name)
            model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
            write_text(folder / name / "vocab.json", json.dumps(model["vocab"], ensure_ascii=False))
            merges = "\n".join(" ".join(pair) for pair in model["merges"])
            write_text(folder / name / "merges.txt", f"#version: 0.2\n{merges}\n")

    def states(self) -> dict[str, NetworkState]:
        return {
            name: NetworkState.of(network, _settings(network.config))
            for name, network in self.modules().items()
        }

    def settings_prints(self) -> dict[str, str]:
        prints = {name: tokenizer_sha256(one) for name, one in self.text.tokenizers.items()}
        return prints | {"scheduler": settings_sha256(dict(self._scheduler))}

    def fingerprints(self) -> dict[str, str]:
        if self.modules().keys() - self._prints.keys():
            for name, state in self.states().items():
                self._measure(name, state)
        return self._prints | self.settings_prints()

    def encoder_sha256(self) -> str:
        self._measure("vae", self.states()["vae"])
        return self._prints["vae"]

    def _measure(self, name: str, state: NetworkState) -> None:
        if name not in self._prints:
            self._prints[name] = state.sha256()

    def recall(self, networks: dict[str, str]) -> None:
        self._prints |= networks

    def weights_changed(self) -> None:
        self._prints.clear()


def _told(watch: Watch, pipeline: Any, step: int, level: Any, values: Any) -> dict[str, Any]:
    """What diffusers calls after each step, and in which nothing is changed."""
    watch(step + 1, values["latents"])
    return {}


def _settings(config: Any) -> dict[str, Any]:
    """A network's configuration as plain values; transformers' is an object."""
    values: dict[str, Any] = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    return values

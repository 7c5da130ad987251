"""Stable Diffusion 1.x and 2.x, and every folder of the same layout."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.assets import check_weights, located
from sdexp.ground.errors import DataError
from sdexp.ground.sampling import Sampling
from sdexp.model.base import AbstractModel, LoadedModel, Moments

if TYPE_CHECKING:
    import numpy as np
    from diffusers import StableDiffusionPipeline
    from torch import Tensor, nn


@dataclass(frozen=True)
class StableDiffusion(AbstractModel):
    """A Stable Diffusion checkpoint.

    `pretrained_model_name_or_path` is an embedded name ("pocket-sd"), a local diffusers folder
    or a Hub id; `revision` a commit of that repository.
    """

    pretrained_model_name_or_path: str
    revision: str | None

    def __post_init__(self) -> None:
        if not self.pretrained_model_name_or_path.strip():
            raise ValueError(
                "model.pretrained_model_name_or_path is empty: name a local folder or a Hub id"
            )

    def check(self) -> None:
        key = "model.pretrained_model_name_or_path"
        check_weights(key, self.pretrained_model_name_or_path, "model_index.json")

    def load(self, device: str, dtype: str) -> LoadedModel:
        import torch
        from diffusers import StableDiffusionPipeline
        from diffusers.utils import logging
        from transformers.utils import logging as transformers_logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        transformers_logging.disable_progress_bar()
        try:
            pipeline = StableDiffusionPipeline.from_pretrained(
                located(self.pretrained_model_name_or_path),
                revision=self.revision,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            )
        except OSError as error:
            raise DataError(
                f"model.pretrained_model_name_or_path={self.pretrained_model_name_or_path}: cannot "
                f"be loaded ({str(error).splitlines()[0]}); name a local diffusers folder"
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        return LoadedStableDiffusion(pipeline.to(device), device)


class LoadedStableDiffusion(LoadedModel):
    """The networks of one pipeline; sizes and factors come from the checkpoint's configs."""

    def __init__(self, pipeline: StableDiffusionPipeline, device: str) -> None:
        self.pipeline = pipeline
        self.device = device
        self.unet = pipeline.unet
        self.vae = pipeline.vae
        self.text_encoder = pipeline.text_encoder
        self.tokenizer = pipeline.tokenizer
        self.prediction_type = pipeline.scheduler.config.prediction_type
        self._scheduler_config = dict(pipeline.scheduler.config)
        self.alphas_cumprod = pipeline.scheduler.alphas_cumprod.to(device)
        self._fingerprints: dict[str, str] | None = None
        self.sample_size = self.unet.config.sample_size * pipeline.vae_scale_factor

    def modules(self) -> dict[str, Any]:
        return {"unet": self.unet, "text_encoder": self.text_encoder, "vae": self.vae}

    def set_memory(self, gradient_checkpointing: bool, channels_last: bool) -> None:
        import torch

        if gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
            self.text_encoder.gradient_checkpointing_enable()
        if channels_last:
            self.unet.to(memory_format=torch.channels_last)

    def load_adapters(self, folder: Path) -> None:
        self.pipeline.load_lora_weights(str(folder))
        self.weights_changed()

    def encode_images(self, pixels: Tensor) -> Moments:
        import torch

        with torch.no_grad():
            posterior = self.vae.encode(pixels.to(self.device, self.vae.dtype)).latent_dist
        return Moments(posterior.mean, posterior.logvar)

    def latents(self, moments: Moments, noise: Tensor) -> Tensor:
        deviation = (0.5 * moments.logvar).exp()
        return (moments.mean + deviation * noise) * self.vae.config.scaling_factor

    def encode_prompts(self, prompts: list[str]) -> Tensor:
        tokens = self.tokenizer(
            prompts,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.text_encoder(tokens.input_ids.to(self.device)).last_hidden_state

    def predict(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return self.unet(noisy, t, encoder_hidden_states=condition).sample

    def latent_shape(self, resolution: int) -> tuple[int, int, int]:
        side = resolution // self.pipeline.vae_scale_factor
        return self.vae.config.latent_channels, side, side

    def generate(self, prompts: list[str], noise: Tensor, sampling: Sampling) -> np.ndarray:
        import torch

        pipeline = self._with_sampler(sampling.sampler)
        with torch.inference_mode():
            result = pipeline(
                prompt=prompts,
                negative_prompt=[sampling.negative_prompt] * len(prompts),
                height=sampling.resolution,
                width=sampling.resolution,
                num_inference_steps=sampling.num_inference_steps,
                guidance_scale=sampling.guidance_scale,
                latents=noise.to(self.device, self.unet.dtype),
                output_type="pt",
            )
        pixels = (result.images.float().clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    def _with_sampler(self, name: str) -> StableDiffusionPipeline:
        """The pipeline with a fresh deterministic sampler, so that no state is left over."""
        from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

        kind = {"ddim": DDIMScheduler, "dpm_solver": DPMSolverMultistepScheduler}[name]
        self.pipeline.scheduler = kind.from_config(self.pipeline.scheduler.config)
        return self.pipeline

    def fingerprints(self) -> dict[str, str]:
        if self._fingerprints is None:
            self._fingerprints = self._measured()
        return self._fingerprints

    def weights_changed(self) -> None:
        self._fingerprints = None

    def _measured(self) -> dict[str, str]:
        prints = {name: weights_sha256(module) for name, module in self.modules().items()}
        prints["tokenizer"] = _sha256_of_json(self.tokenizer.get_vocab())
        prints["scheduler"] = _sha256_of_json(self._scheduler_config)
        return prints


def weights_sha256(module: nn.Module) -> str:
    """sha256 over names, types and bytes of a network's tensors."""
    import torch

    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()


def _sha256_of_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()

"""Stable Diffusion 1.x and 2.x, and every folder of the same layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sdexp.ground.applied import check_loading
from sdexp.ground.assets import check_weights, is_embedded, located
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import network_sha256, settings_sha256, tokenizer_sha256
from sdexp.ground.sampling import Sampling
from sdexp.model.base import AbstractModel, Component, Condition, Framing, LoadedModel, Moments
from sdexp.model.discrete import DiscreteSchedule
from sdexp.model.files import settings_text

if TYPE_CHECKING:
    import numpy as np
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

KEY = "model.pretrained_model_name_or_path"
DIFFUSERS_FILE = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class StableDiffusion(AbstractModel):
    """A Stable Diffusion checkpoint.

    `pretrained_model_name_or_path` is an embedded name ("pocket-sd"), a local diffusers folder
    or a Hub id; `revision` a commit of that repository.
    """

    trainable: ClassVar[tuple[str, ...]] = ("unet", "text_encoder")

    pretrained_model_name_or_path: str
    revision: str | None

    def __post_init__(self) -> None:
        if not self.pretrained_model_name_or_path.strip():
            raise ValueError(f"{KEY} is empty: name a local folder or a Hub id")

    @property
    def is_embedded(self) -> bool:
        return is_embedded(self.pretrained_model_name_or_path)

    def check(self) -> None:
        check_weights(KEY, self.pretrained_model_name_or_path, "model_index.json")

    def load(self, device: str, dtype: str) -> LoadedModel:
        import torch
        from diffusers import StableDiffusionPipeline

        _be_quiet()
        place = located(self.pretrained_model_name_or_path)
        try:
            pipeline = StableDiffusionPipeline.from_pretrained(
                place,
                revision=self.revision,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
                **self._networks(place, getattr(torch, dtype)),
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(
                f"{KEY}={self.pretrained_model_name_or_path}: cannot be loaded "
                f"({str(error).splitlines()[0]}); name a local diffusers folder"
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        return LoadedStableDiffusion(pipeline.to(device), device)

    def _networks(self, place: str, dtype: Any) -> dict[str, Any]:
        """Each network by itself, so that what its file lacks is counted."""
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel

        kinds: dict[str, Callable[..., Any]] = {
            "unet": UNet2DConditionModel.from_pretrained,
            "vae": AutoencoderKL.from_pretrained,
            "text_encoder": CLIPTextModel.from_pretrained,
        }
        networks = {}
        for name, from_pretrained in kinds.items():
            networks[name], info = from_pretrained(
                place,
                subfolder=name,
                revision=self.revision,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
            )
            check_loading(f"{KEY}={self.pretrained_model_name_or_path}: {name}", info)
        return networks


def _be_quiet() -> None:
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    for library in (logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


class LoadedStableDiffusion(LoadedModel):
    """The networks of one pipeline; sizes and factors come from the checkpoint's configs."""

    def __init__(self, pipeline: StableDiffusionPipeline, device: str) -> None:
        self.pipeline = pipeline
        self.device = device
        self.unet = pipeline.unet
        self.vae = pipeline.vae
        self.text_encoder = pipeline.text_encoder
        self.tokenizer = pipeline.tokenizer
        self.sample_size = self.unet.config.sample_size * pipeline.vae_scale_factor
        self.schedule = DiscreteSchedule(
            pipeline.scheduler.alphas_cumprod.to(device), pipeline.scheduler.config.prediction_type
        )
        self._scheduler_config = dict(pipeline.scheduler.config)
        self._fingerprints: dict[str, str] | None = None

    def components(self) -> dict[str, Component]:
        return {
            "unet": Component(
                module=self.unet,
                file=Path("unet") / DIFFUSERS_FILE,
                tensor_prefix="",
                adapter_prefix="unet.",
                settings=settings_text(self.unet.to_json_string()),
            ),
            "text_encoder": Component(
                module=self.text_encoder,
                file=Path("text_encoder") / "model.safetensors",
                # Older readers name the tensors with it; transformers 5 dropped it. diffusers
                # takes it off adapters where the model has none.
                tensor_prefix="text_model.",
                adapter_prefix="text_encoder.text_model.",
                settings=self.text_encoder.config.to_json_string(),
            ),
            "vae": Component(
                module=self.vae,
                file=Path("vae") / DIFFUSERS_FILE,
                tensor_prefix="",
                adapter_prefix=None,
                settings=settings_text(self.vae.to_json_string()),
            ),
        }

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
        tokens = self.tokenizer(
            prompts,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return Condition(self.text_encoder(tokens.input_ids.to(self.device)).last_hidden_state)

    def predict(self, noisy: Tensor, level: Tensor, condition: Condition) -> Tensor:
        return self.unet(noisy, level, encoder_hidden_states=condition.states).sample

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

    def encoder_sha256(self) -> str:
        return self.fingerprints()["vae"]

    def weights_changed(self) -> None:
        self._fingerprints = None

    def _measured(self) -> dict[str, str]:
        networks = {"unet": self.unet, "text_encoder": self.text_encoder, "vae": self.vae}
        prints = {name: network_sha256(n, _settings(n.config)) for name, n in networks.items()}
        prints["tokenizer"] = tokenizer_sha256(self.tokenizer)
        prints["scheduler"] = settings_sha256(self._scheduler_config)
        return prints


def _settings(config: Any) -> dict[str, Any]:
    """A network's configuration as plain values; transformers' is an object."""
    values: dict[str, Any] = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    return values

"""Stable Diffusion XL and its Turbo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdexp.model.base import LoadedModel
from sdexp.model.checkpoint import AbstractCheckpoint
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from sdexp.model.parts import Parts
from sdexp.model.text import TwoEncoders


@dataclass(frozen=True)
class StableDiffusionXL(AbstractCheckpoint):
    """A checkpoint with two text encoders and sizes as a condition (Podell et al. 2023)."""

    trainable: ClassVar[tuple[str, ...]] = ("unet", "text_encoder", "text_encoder_2")
    encoders: ClassVar[tuple[str, ...]] = ("text_encoder", "text_encoder_2")

    def assemble(self, parts: Parts, device: str) -> LoadedModel:
        from diffusers import StableDiffusionXLPipeline

        pipeline = StableDiffusionXLPipeline(
            **parts.networks,
            **parts.tokenizers,
            scheduler=parts.new_scheduler(),
            add_watermarker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        text = TwoEncoders(parts.of(self.encoders), parts.tokenizers)
        return LoadedLatentDiffusion(pipeline.to(device), text, device, parts.files)

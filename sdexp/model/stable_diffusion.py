"""Stable Diffusion 1.x, 2.x and Turbo, and every checkpoint of the same layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdexp.model.base import LoadedModel
from sdexp.model.checkpoint import AbstractCheckpoint
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from sdexp.model.parts import Parts
from sdexp.model.text import OneEncoder


@dataclass(frozen=True)
class StableDiffusion(AbstractCheckpoint):
    """A checkpoint with one text encoder (Rombach et al. 2022, arXiv 2112.10752)."""

    trainable: ClassVar[tuple[str, ...]] = ("unet", "text_encoder")
    encoders: ClassVar[tuple[str, ...]] = ("text_encoder",)

    def assemble(self, parts: Parts, device: str) -> LoadedModel:
        from diffusers import StableDiffusionPipeline

        pipeline = StableDiffusionPipeline(
            **parts.networks,
            **parts.tokenizers,
            scheduler=parts.new_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        text = OneEncoder(parts.of(self.encoders), parts.tokenizers)
        return LoadedLatentDiffusion(pipeline.to(device), text, device, parts.files)

"""The denoising loss of latent diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdexp.ground.config import above, at_least, share
from sdexp.model.base import AbstractNoiseSchedule, LoadedModel
from sdexp.objective.base import AbstractObjective, TrainingBatch

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Denoising(AbstractObjective):
    """Mean squared error against the target of the checkpoint's schedule.

    `snr_gamma` switches Min-SNR weighting on (Hang et al. 2023, arXiv 2303.09556, eq. 5);
    `noise_offset` adds one normal value per channel to the noise (Guttenberg 2023).
    """

    snr_gamma: float | None
    noise_offset: float

    def __post_init__(self) -> None:
        above("objective", 0, snr_gamma=self.snr_gamma)
        at_least("objective", 0, noise_offset=self.noise_offset)
        share("objective", caption_dropout_rate=self.caption_dropout_rate)

    def level(self, schedule: AbstractNoiseSchedule, generator: torch.Generator) -> Tensor:
        return schedule.draw(generator)

    def noise(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        import torch

        noise = torch.randn(shape, generator=generator)
        if self.noise_offset:
            noise += self.noise_offset * torch.randn((shape[0], 1, 1), generator=generator)
        return noise

    def __call__(
        self, model: LoadedModel, batch: TrainingBatch, noise: Tensor, level: Tensor
    ) -> Tensor:
        schedule = model.schedule
        noisy = schedule.noisy(batch.latents, noise, level)
        predicted = model.predict(noisy, level, batch.condition).float()
        target = schedule.target(batch.latents, noise, level)
        loss = (predicted - target).square().flatten(1).mean(1)
        if self.snr_gamma is None:
            return loss
        clipped = schedule.snr(level).clamp(max=self.snr_gamma)
        return loss * clipped / schedule.loss_scale(level)

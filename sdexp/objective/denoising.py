"""The denoising loss of latent diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from sdexp.ground.checks import above, at_least, share
from sdexp.model.base import AbstractNoiseSchedule, LoadedModel
from sdexp.objective.base import AbstractObjective, TrainingBatch

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class LossType(StrEnum):
    """How an error of the network counts."""

    l2 = "l2"
    huber = "huber"


class HuberSchedule(StrEnum):
    """How the bound between small and large errors depends on the noise level."""

    constant = "constant"
    exponential = "exponential"
    snr = "snr"


@dataclass(frozen=True)
class Denoising(AbstractObjective):
    """Error against the target of the checkpoint's schedule, by mean over a sample.

    `snr_gamma` switches Min-SNR weighting on (Hang et al. 2023, arXiv 2303.09556, eq. 5);
    `noise_offset` adds one normal value per channel to the noise (Guttenberg 2023);
    `input_perturbation` adds so much other noise to what the network sees (Ning et al. 2023, arXiv
    2301.11706). `loss_type: huber` is the pseudo-Huber loss 2 c (sqrt(error^2 + c^2) - c) with c by
    `huber_schedule` from `huber_c` (Khrapov et al. 2024, arXiv 2403.16728): `constant`;
    `exponential`, from 1 without noise down to huber_c; `snr`, huber_c + (1 - huber_c) / (1 +
    sigma)^2 with sigma^2 = 1 / SNR.
    """

    snr_gamma: float | None
    noise_offset: float
    input_perturbation: float
    loss_type: LossType
    huber_schedule: HuberSchedule
    huber_c: float

    def __post_init__(self) -> None:
        above("objective", 0, snr_gamma=self.snr_gamma, huber_c=self.huber_c)
        at_least(
            "objective",
            0,
            noise_offset=self.noise_offset,
            input_perturbation=self.input_perturbation,
        )
        share("objective", caption_dropout_rate=self.caption_dropout_rate)

    def noise(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """The noise of one sample, [2, C, h, w], from its stream.

        What the network is asked for, and what is added to the latents.
        """
        import torch

        noise = torch.randn(shape, generator=generator)
        if self.noise_offset:
            noise += self.noise_offset * torch.randn((shape[0], 1, 1), generator=generator)
        seen = noise
        if self.input_perturbation:
            seen = noise + self.input_perturbation * torch.randn(shape, generator=generator)
        return torch.stack([noise, seen])

    def __call__(self, model: LoadedModel, batch: TrainingBatch) -> Tensor:
        schedule = model.schedule
        latents = batch.latents()
        level = batch.draw("timestep", schedule.draw)
        noise = batch.draw("noise", partial(self.noise, latents.shape[1:]))
        asked, seen = noise.unbind(1)
        noisy = schedule.noisy(latents, seen, level)
        predicted = model.predict(noisy, level, batch.condition()).float()
        errors = (predicted - schedule.target(latents, asked, level)).flatten(1)
        loss = self._counted(errors.square(), schedule, level).mean(1)
        if self.snr_gamma is None:
            return loss
        clipped = schedule.snr(level).clamp(max=self.snr_gamma)
        return loss * clipped / schedule.loss_scale(level)

    def _counted(self, squares: Tensor, schedule: AbstractNoiseSchedule, level: Tensor) -> Tensor:
        """How squared errors [B, N] count."""
        if self.loss_type == LossType.l2:
            return squares
        bound = self._bound(schedule, level)[:, None]
        return 2 * bound * ((squares + bound**2).sqrt() - bound)

    def _bound(self, schedule: AbstractNoiseSchedule, level: Tensor) -> Tensor:
        """Errors [B] below this count squared, those above plainly."""
        ratio = schedule.snr(level)
        if self.huber_schedule == HuberSchedule.constant:
            return ratio.new_full(ratio.shape, self.huber_c)
        if self.huber_schedule == HuberSchedule.exponential:
            return self.huber_c ** schedule.share(level)
        return self.huber_c + (1 - self.huber_c) / (1 + ratio**-0.5) ** 2

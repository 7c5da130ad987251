"""The denoising loss of latent diffusion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdexp.model.base import LoadedModel
from sdexp.objective.base import AbstractObjective, TrainingBatch

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Denoising(AbstractObjective):
    """Mean squared error against the target that the checkpoint's `prediction_type` names.

    `snr_gamma` switches Min-SNR weighting on (Hang et al. 2023, arXiv 2303.09556, eq. 5);
    `noise_offset` adds one normal value per channel to the noise (Guttenberg 2023).
    """

    snr_gamma: float | None
    noise_offset: float

    def __post_init__(self) -> None:
        gamma = self.snr_gamma
        offset = self.noise_offset
        rate = self.caption_dropout_rate
        if gamma is not None and not (math.isfinite(gamma) and gamma > 0):
            raise ValueError(f"objective.snr_gamma={gamma}: allowed is null or a number above 0")
        if not (math.isfinite(offset) and offset >= 0):
            raise ValueError(f"objective.noise_offset={offset}: allowed is 0 or more")
        if not 0 <= rate <= 1:
            raise ValueError(
                f"objective.caption_dropout_rate={rate}: allowed is a number from 0 to 1"
            )

    def noise(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        import torch

        noise = torch.randn(shape, generator=generator)
        if self.noise_offset:
            noise += self.noise_offset * torch.randn((shape[0], 1, 1), generator=generator)
        return noise

    def __call__(
        self, model: LoadedModel, batch: TrainingBatch, noise: Tensor, t: Tensor
    ) -> Tensor:
        alpha = model.alphas_cumprod[t].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * batch.latents + (1 - alpha).sqrt() * noise
        predicted = model.predict(noisy, t, batch.condition).float()
        target = _target(model.prediction_type, batch.latents, noise, alpha)
        loss = (predicted - target).square().flatten(1).mean(1)
        if self.snr_gamma is None:
            return loss
        return loss * _min_snr(model.prediction_type, alpha.flatten(), self.snr_gamma)


def _target(prediction_type: str, latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """What the network should say; `alpha` is the cumulative product, [B, 1, 1, 1].

    The velocity is that of Salimans and Ho 2022 (arXiv 2202.00512, appendix D).
    """
    targets = {
        "epsilon": noise,
        "v_prediction": alpha.sqrt() * noise - (1 - alpha).sqrt() * latents,
        "sample": latents,
    }
    return targets[prediction_type]


def _min_snr(prediction_type: str, alpha: Tensor, gamma: float) -> Tensor:
    """Min-SNR weight per sample for a loss in the space of the prediction type."""
    snr = alpha / (1 - alpha)
    clipped = snr.clamp(max=gamma)
    space = {"epsilon": snr, "v_prediction": snr + 1, "sample": snr.new_ones(())}
    return clipped / space[prediction_type]

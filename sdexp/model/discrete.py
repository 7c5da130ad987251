"""The noise schedule of denoising diffusion: whole timesteps and their cumulative products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdexp.model.base import AbstractNoiseSchedule

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class DiscreteSchedule(AbstractNoiseSchedule):
    """Timesteps 0 to T - 1 of a checkpoint's scheduler (Ho et al. 2020, arXiv 2006.11239).

    alphas_cumprod: [T]; prediction_type: "epsilon", "v_prediction" or "sample". Raises `ValueError`
    for epsilon where the last step is noise alone: there it says nothing of the picture (Lin et
    al. 2023, arXiv 2305.08891).
    """

    alphas_cumprod: Tensor
    prediction_type: str

    def __post_init__(self) -> None:
        if self.prediction_type == "epsilon" and not self.alphas_cumprod[-1]:
            raise ValueError(
                "epsilon prediction with rescale_betas_zero_snr: the last step is noise alone, and "
                "says nothing of the picture; use a checkpoint of v_prediction"
            )

    def draw(self, generator: torch.Generator) -> Tensor:
        import torch

        return torch.randint(len(self.alphas_cumprod), (), generator=generator)

    def noisy(self, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        alpha = self._alpha(level)
        return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise

    def target(self, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """The velocity is that of Salimans and Ho 2022 (arXiv 2202.00512, appendix D)."""
        alpha = self._alpha(level)
        targets = {
            "epsilon": noise,
            "v_prediction": alpha.sqrt() * noise - (1 - alpha).sqrt() * latents,
            "sample": latents,
        }
        return targets[self.prediction_type]

    def snr(self, level: Tensor) -> Tensor:
        alpha = self._alpha(level).flatten()
        return alpha / (1 - alpha)

    def share(self, level: Tensor) -> Tensor:
        return level / len(self.alphas_cumprod)

    def loss_scale(self, level: Tensor) -> Tensor:
        snr = self.snr(level)
        scales = {"epsilon": snr, "v_prediction": snr + 1, "sample": snr.new_ones(())}
        return scales[self.prediction_type]

    def _alpha(self, level: Tensor) -> Tensor:
        return self.alphas_cumprod[level].view(-1, 1, 1, 1)

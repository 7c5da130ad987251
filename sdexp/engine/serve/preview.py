"""A quick guess of what latents will look like."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from sdexp.ground.streams import stream
from sdexp.model.base import LoadedModel

PICTURES = 8
# Colours a side of the smooth pictures that the guess is fitted to.
COLOURS = 4
# Pixels; more would make the fit slower and hardly better.
LARGEST_SIDE = 128


class Preview:
    """Pixels as a linear function of latents, fitted to what the encoder says of smooth colours.

    It costs next to nothing, where decoding each step would cost as much as the step.
    """

    def __init__(self, model: LoadedModel) -> None:
        side = min(model.sample_size, LARGEST_SIDE)
        draws = stream(0, "preview")
        colours = 2 * torch.rand((PICTURES, 3, COLOURS, COLOURS), generator=draws) - 1
        pixels = interpolate(colours, size=side, mode="bilinear").to(model.device)
        moments = model.encode_images(pixels)
        latents = model.latents(moments, torch.zeros_like(moments.mean))
        seen = adaptive_avg_pool2d(pixels, (latents.shape[2], latents.shape[3]))
        self._factors = torch.linalg.lstsq(_rows(latents), _rows(seen)[:, :-1]).solution

    def __call__(self, latents: Tensor) -> np.ndarray:
        """uint8 [h, w, 3] of the first of latents [B, C, h, w]."""
        height, width = latents.shape[-2:]
        colours = _rows(latents[:1]) @ self._factors
        pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return pixels.reshape(height, width, 3).cpu().numpy()


def _rows(maps: Tensor) -> Tensor:
    """Each place of maps [B, C, h, w] as a row, with a 1 behind it: float32 [B h w, C + 1]."""
    rows = maps.detach().float().permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)

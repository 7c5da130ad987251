"""Pictures as arrays: squares, tensors and files."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sdexp.ground.files import disk_faults


def crop_square(
    image: Image.Image, side: int, place: tuple[float, float] = (0.5, 0.5)
) -> Image.Image:
    """Scale the shorter side to `side` pixels with antialiasing, then cut a square.

    place: where the square lies along the longer side, 0 to 1; (0.5, 0.5) is the centre.
    """
    scale = side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    left = round((width - side) * place[0])
    top = round((height - side) * place[1])
    return image.crop((left, top, left + side, top + side))


def to_tensor(image: Image.Image) -> Tensor:
    """uint8 [3, H, W]."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).contiguous()


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def save_png(pixels: np.ndarray, path: Path) -> None:
    """Write uint8 [H, W, 3] without loss; equal pixels give equal bytes."""
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format="PNG")

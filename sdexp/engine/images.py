"""Pictures as arrays: squares, tensors and files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from sdexp.ground.files import disk_faults
from sdexp.ground.sampling import Sampling
from sdexp.model.base import Framing

CENTRE = (0.5, 0.5)
NO_TEXTS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Square:
    """A square cut from a picture, uint8 [3, R, R], and how it was cut."""

    pixels: Tensor
    framing: Framing


def cut_square(
    image: Image.Image, side: int, place: tuple[float, float] = CENTRE, flipped: bool = False
) -> Square:
    """The square of `crop_square`, mirrored or not.

    Of a mirrored one the framing is that in the mirrored picture.
    """
    width, height = image.size
    scaled = _scaled_size(image.size, side)
    left, top = _corner(scaled, side, place)
    square = crop_square(image, side, place)
    if flipped:
        square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        left = scaled[0] - side - left
    return Square(to_tensor(square), Framing((height, width), (top, left), (side, side)))


def crop_square(
    image: Image.Image,
    side: int,
    place: tuple[float, float] = CENTRE,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """Scale the shorter side to `side` pixels with antialiasing, then cut a square.

    place: where the square lies along the longer side, 0 to 1; (0.5, 0.5) is the centre.
    """
    scaled = _scaled_size(image.size, side)
    if scaled != image.size:
        image = image.resize(scaled, resampling)
    left, top = _corner(scaled, side, place)
    return image.crop((left, top, left + side, top + side))


def _scaled_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height once the shorter of them is `side`."""
    scale = side / min(size)
    width, height = (max(side, round(length * scale)) for length in size)
    return width, height


def _corner(size: tuple[int, int], side: int, place: tuple[float, float]) -> tuple[int, int]:
    """Left and top of the square."""
    return round((size[0] - side) * place[0]), round((size[1] - side) * place[1])


def to_tensor(image: Image.Image) -> Tensor:
    """uint8 [3, H, W]."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).contiguous()


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def read_png(path: Path) -> np.ndarray:
    """uint8 [H, W, 3] as `save_png` wrote them."""
    with Image.open(path) as image:
        return np.asarray(image)


def save_png(pixels: np.ndarray, path: Path, texts: Mapping[str, str] = NO_TEXTS) -> None:
    """Write uint8 [H, W, 3] without loss; equal pixels and texts give equal bytes."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format="PNG", pnginfo=info)


def recipe_texts(
    prompt: str, noise: Sequence[str | int], sampling: Sampling, **origin: str
) -> dict[str, str]:
    """What a picture was made by, for its PNG: once as other tools write it, once as JSON.

    noise: the key of its stream, the seed first; origin: which model, and of which run.
    """
    size = f"{sampling.resolution}x{sampling.resolution}"
    settings = {
        "Steps": sampling.num_inference_steps,
        "Sampler": sampling.sampler,
        "CFG scale": sampling.guidance_scale,
        "Seed": noise[0],
        "Size": size,
    }
    lines = [prompt]
    if sampling.negative_prompt:
        lines.append(f"Negative prompt: {sampling.negative_prompt}")
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    facts = {"prompt": prompt, "noise": list(noise), **asdict(sampling), **origin}
    return {"parameters": "\n".join(lines), "sdexp": json.dumps(facts, sort_keys=True)}

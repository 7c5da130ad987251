"""Pictures as arrays: squares, tensors and files."""

import io
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
# Width and height.
Size = tuple[int, int]
NO_TEXTS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Square:
    """A square, or a rectangle of a bucket, cut from a picture: uint8 [3, H, W], and how."""

    pixels: Tensor
    framing: Framing


def cut_square(
    image: Image.Image, side: int, place: tuple[float, float] = CENTRE, flipped: bool = False
) -> Square:
    """The square of `crop_square`, mirrored or not."""
    return cut(image, (side, side), place, flipped)


def cut(
    image: Image.Image, size: Size, place: tuple[float, float] = CENTRE, flipped: bool = False
) -> Square:
    """The rectangle of `crop`, mirrored or not.

    Of a mirrored one the framing is that in the mirrored picture.
    """
    width, height = image.size
    scaled = _scaled_size(image.size, size)
    left, top = _corner(scaled, size, place)
    part = crop(image, size, place)
    if flipped:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        left = scaled[0] - size[0] - left
    return Square(to_tensor(part), Framing((height, width), (top, left), size[::-1]))


def crop_square(
    image: Image.Image,
    side: int,
    place: tuple[float, float] = CENTRE,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """Scale the shorter side to `side` pixels with antialiasing, then cut a square."""
    return crop(image, (side, side), place, resampling)


def crop(
    image: Image.Image,
    size: Size,
    place: tuple[float, float] = CENTRE,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """Scale with antialiasing until the picture just covers `size`, then cut that.

    size: width and height; place: where the part lies along the longer side, 0 to 1; (0.5, 0.5) is
    the centre.
    """
    scaled = _scaled_size(image.size, size)
    if scaled != image.size:
        image = image.resize(scaled, resampling)
    left, top = _corner(scaled, size, place)
    return image.crop((left, top, left + size[0], top + size[1]))


def _scaled_size(size: Size, target: Size) -> Size:
    """Width and height once neither is smaller than the target's and one is equal."""
    scale = max(target[0] / size[0], target[1] / size[1])
    return max(target[0], round(size[0] * scale)), max(target[1], round(size[1] * scale))


def _corner(size: Size, target: Size, place: tuple[float, float]) -> tuple[int, int]:
    """Left and top of the part."""
    return round((size[0] - target[0]) * place[0]), round((size[1] - target[1]) * place[1])


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
    data = png_bytes(pixels, texts)
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def png_bytes(pixels: np.ndarray, texts: Mapping[str, str] = NO_TEXTS) -> bytes:
    """The file that `save_png` writes."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def recipe_texts(
    prompt: str, noise: Sequence[str | int], sampling: Sampling, **origin: str
) -> dict[str, str]:
    """What a picture was made by, for its PNG: once as other tools write it, once as JSON.

    noise: the key of its stream, the seed first; origin: which model, and of which run.
    """
    settings = {
        "Steps": sampling.num_inference_steps,
        "Sampler": sampling.sampler,
        "CFG scale": sampling.guidance_scale,
        "Seed": noise[0],
        "Size": sampling.size,
    }
    lines = [prompt]
    if sampling.negative_prompt:
        lines.append(f"Negative prompt: {sampling.negative_prompt}")
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    facts = {"prompt": prompt, "noise": list(noise), **asdict(sampling), **origin}
    return {"parameters": "\n".join(lines), "sdexp": json.dumps(facts, sort_keys=True)}

"""Pictures with a colour profile of their own, brought to sRGB."""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

# The mode of the pixels that a profile of each colour space speaks of.
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# Grey levels by which profiles that are called sRGB differ from each other.
SAME = 2
GREY = ("1", "L")
PROFILES_KEPT = 64
LONGEST_NAME = 60


@dataclass(frozen=True)
class Profile:
    """What a profile asks for: pixels of `mode`, and `transform` to sRGB, None where it is that."""

    name: str
    mode: str
    transform: Any


def to_srgb(image: Image.Image, profile: bytes, repairs: list[str]) -> Image.Image:
    """Pixels as sRGB, RGB; a profile that cannot be followed is named and changes nothing."""
    read = _read(profile)
    if read is None:
        repairs.append("a broken colour profile ignored")
        return image.convert("RGB")
    # Grey pixels may carry a profile of colours; those of print only their own.
    fits = image.mode == read.mode if "CMYK" in (read.mode, image.mode) else read.mode == "RGB"
    if not fits and not (read.mode == "L" and image.mode in GREY):
        repairs.append(f"colour profile {read.name} ignored: the pixels are {image.mode}")
        return image.convert("RGB")
    if read.transform is None:
        return image.convert("RGB")
    repairs.append(f"colour profile {read.name} converted to sRGB")
    converted: Image.Image = read.transform.apply(image.convert(read.mode))
    return converted


@lru_cache(maxsize=PROFILES_KEPT)
def _read(data: bytes) -> Profile | None:
    """None where the bytes are no profile that leads to sRGB."""
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        if space not in MODES:
            return None
        mode = MODES[space]
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(profile, srgb, mode, "RGB")
        name = " ".join(ImageCms.getProfileDescription(profile).split())
    except (OSError, ImageCms.PyCMSError):
        return None
    shown = name[:LONGEST_NAME] or "without a name"
    return Profile(shown, mode, None if _is_srgb(transform, mode) else transform)


def _is_srgb(transform: Any, mode: str) -> bool:
    import numpy as np

    samples = _samples(mode)
    plain = np.asarray(samples.convert("RGB"), dtype=int)
    return bool(abs(np.asarray(transform.apply(samples), dtype=int) - plain).max() <= SAME)


def _samples(mode: str) -> Image.Image:
    """Colours from all over the space of a mode."""
    import numpy as np

    steps = np.linspace(0, 255, 6).astype(np.uint8)
    bands = len(Image.new(mode, (1, 1)).getbands())
    grid = np.stack(np.meshgrid(*[steps] * bands, indexing="ij"), axis=-1).reshape(1, -1, bands)
    return Image.fromarray(grid[..., 0] if bands == 1 else grid, mode)

"""From a file to an upright RGB picture, with a reason for everything that had to be mended."""

import hashlib
import struct
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from sdexp.dataset.captions import LFS_POINTER

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# The size up to which Pillow opens a picture without a warning.
MAX_PIXELS = 89_478_485
MAX_BYTES = 1 << 30
# A strip of 1 x 100000 would fill the memory when its short side is resized to 512.
MAX_RATIO = 32

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIGNATURES = {
    LFS_POINTER: "this is a git-LFS pointer, not the picture; run git lfs pull",
    b"%!PS": "EPS is refused",
    b"8BPS": "PSD is refused",
    b"\xff\xd8": "the JPEG file is truncated, damaged or of a kind that is not read",
    b"\x89PNG": "the PNG file is truncated, damaged or of a kind that is not read",
    b"GIF8": "the GIF file is truncated, damaged or of a kind that is not read",
    b"RIFF": "the WEBP file is truncated, damaged or of a kind that is not read",
    b"II*\0": "the TIFF file is truncated, damaged or of a kind that is not read",
    b"MM\0*": "the TIFF file is truncated, damaged or of a kind that is not read",
}
# What Pillow's readers raise on damaged files, as random changes of bytes show.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, struct.error)


class BadPicture(Exception):
    """The file gives no picture; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture, and what was mended to get it."""

    image: Image.Image
    repairs: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What decoding a file showed; `fault` is None when it gives a picture."""

    sha256: str
    repairs: tuple[str, ...]
    fault: str | None


def read_picture(path: Path) -> Picture:
    """Decode a file; raises `BadPicture`."""
    return _decode(_read(path), fast=False)


def examine(path: Path) -> Verdict:
    """Decode a file for the sake of its faults; safe to call from many threads."""
    try:
        status = path.stat()
    except OSError as error:
        return Verdict("", (), _say(error))
    return _examine(path, status.st_size, status.st_mtime_ns)


@cache
def _examine(path: Path, size: int, mtime_ns: int) -> Verdict:
    """Remembered, because each of the three splits cut from one folder asks again."""
    digest = ""
    try:
        data = _read(path)
        digest = hashlib.sha256(data).hexdigest()
        return Verdict(digest, _decode(data, fast=True).repairs, None)
    except BadPicture as bad:
        return Verdict(digest, (), bad.reason)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadPicture("not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise BadPicture(f"larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(_say(error)) from error


def _decode(data: bytes, fast: bool) -> Picture:
    """`fast` reads a JPEG at an eighth of its size: every byte is still parsed."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            frames = getattr(image, "n_frames", 1)
            repairs = [f"first of {frames} frames taken"] if frames > 1 else []
            # Pillow turns a TIFF while loading, and a JPEG not.
            orientation = _orientation(image)
            if fast and image.format == "JPEG":
                image.draft(None, (1, 1))
            image.load()
            turn = _orientation(image)
            rgb = _rgb(image, repairs)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(f"above the cap of {MAX_PIXELS} pixels; not decoded") from None
    except UnidentifiedImageError:
        raise BadPicture(_what_else(data)) from None
    except _DAMAGE as error:
        raise BadPicture(f"truncated or damaged: {_say(error)}") from error
    if orientation in _TURNS:
        repairs.append(f"EXIF orientation {orientation} applied")
    return Picture(rgb.transpose(_TURNS[turn]) if turn in _TURNS else rgb, tuple(repairs))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadPicture(f"{width}x{height} is above the cap of {MAX_PIXELS} pixels; not decoded")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise BadPicture(f"{width}x{height}: one side is over {MAX_RATIO} times the other")


def _orientation(image: Image.Image) -> int:
    exif = image.getexif()
    value = exif[_ORIENTATION] if _ORIENTATION in exif else 1
    return value if isinstance(value, int) else 1


def _rgb(image: Image.Image, repairs: list[str]) -> Image.Image:
    """Convert from any mode, and name each change in `repairs`."""
    mode = image.mode
    if mode in ("F", "I") or mode.startswith("I;"):
        image = _eight_bit(image, repairs)
    elif mode in ("P", "PA"):
        repairs.append("palette converted to RGB")
    elif mode in ("1", "L", "LA", "La"):
        repairs.append("grey converted to RGB")
    elif mode not in ("RGB", "RGBA", "RGBa", "RGBX"):
        repairs.append(f"{mode} converted to RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    repairs.append("transparency laid over white")
    cut_out = image.convert("RGBA")
    white = Image.new("RGBA", cut_out.size, "white")
    return Image.alpha_composite(white, cut_out).convert("RGB")


def _eight_bit(image: Image.Image, repairs: list[str]) -> Image.Image:
    """Grey in [0, 65535] to L; Pillow's own conversion would clip at 255."""
    import numpy as np

    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise BadPicture(f"grey of mode {image.mode} with no known range")
    if values.max() <= 255:
        # Scaled, such a picture would be black.
        repairs.append("8-bit grey stored in 16 bit converted to RGB")
        return Image.fromarray(values.astype(np.uint8))
    repairs.append("16-bit grey scaled to 8 bit")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _what_else(data: bytes) -> str:
    if not data:
        return "the file is empty"
    for signature, reason in _SIGNATURES.items():
        if data.startswith(signature):
            return reason
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "this is a web page, not the picture"
    return f"not a picture; allowed are {', '.join(FORMATS)}"


def _say(error: BaseException) -> str:
    """The error in one line, without the path that the finding names already."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return " ".join((strerror or str(error) or type(error).__name__).split())

"""From a file to an upright RGB picture, with a reason for everything that had to be mended."""

import stat
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from sdexp.dataset.colour import to_srgb
from sdexp.ground.pointers import FETCH, pointer

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
_SIDEWAYS = (5, 6, 7, 8)
_JPEG = b"\xff\xd8"
_SIGNATURES = {
    b"%!PS": "EPS is refused",
    b"8BPS": "PSD is refused",
    _JPEG: "the JPEG file is truncated, damaged or of a kind that is not read",
    b"\x89PNG": "the PNG file is truncated, damaged or of a kind that is not read",
    b"GIF8": "the GIF file is truncated, damaged or of a kind that is not read",
    b"RIFF": "the WEBP file is truncated, damaged or of a kind that is not read",
    b"II*\0": "the TIFF file is truncated, damaged or of a kind that is not read",
    b"MM\0*": "the TIFF file is truncated, damaged or of a kind that is not read",
    b"\xff\x0a": "a JPEG XL picture is not read; convert it to JPEG or PNG",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture is not read; convert it to JPEG or PNG",
}
# Of files that begin with a box of that name, by its brand.
_BOX = b"ftyp"
_BRANDS = {
    b"avif": "an AVIF picture is not read; convert it to JPEG or PNG",
    b"avis": "an AVIF picture is not read; convert it to JPEG or PNG",
    b"heic": "a HEIC picture is not read; convert it to JPEG or PNG",
    b"heix": "a HEIC picture is not read; convert it to JPEG or PNG",
    b"hevc": "a HEIC picture is not read; convert it to JPEG or PNG",
    b"mif1": "a HEIC picture is not read; convert it to JPEG or PNG",
    b"msf1": "a HEIC picture is not read; convert it to JPEG or PNG",
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
    """An upright RGB picture, and what was mended to get it.

    size: width and height of the file's picture, which `image` may show smaller.
    """

    image: Image.Image
    size: tuple[int, int]
    repairs: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What decoding a file showed; `fault` is None when it gives a picture.

    size: width and height once upright, (0, 0) with a fault.
    """

    sha256: str
    size: tuple[int, int]
    repairs: tuple[str, ...]
    fault: str | None


def read_picture(path: Path) -> Picture:
    """Decode a file; raises `BadPicture`."""
    return _decode(read_bytes(path), fast=False)


def examine(data: bytes, sha256: str) -> Verdict:
    """Decode the bytes of a file for the sake of its faults; safe to call from many threads."""
    try:
        picture = _decode_fast(data)
    except BadPicture as bad:
        return Verdict(sha256, (0, 0), (), bad.reason)
    return Verdict(sha256, picture.size, picture.repairs, None)


def _decode_fast(data: bytes) -> Picture:
    """Some kinds of JPEG cannot be read at an eighth of their size."""
    try:
        return _decode(data, fast=True)
    except BadPicture:
        if not data.startswith(_JPEG):
            raise
        return _decode(data, fast=False)


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file of reasonable size; raises `BadPicture`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadPicture("not a regular file")
        if status.st_size > MAX_BYTES:
            raise BadPicture(f"larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(_say(error)) from error


def _decode(data: bytes, fast: bool) -> Picture:
    """`fast` reads a JPEG at an eighth of its size: every byte is still parsed."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            repairs = _frames(image)
            size = image.size
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
    upright = rgb.transpose(_TURNS[turn]) if turn in _TURNS else rgb
    return Picture(upright, size[::-1] if turn in _SIDEWAYS else size, tuple(repairs))


def _frames(image: Image.Image) -> list[str]:
    """A camera's JPEG may hold a preview behind the picture, which is none of its frames."""
    frames = getattr(image, "n_frames", 1)
    return [f"first of {frames} frames taken"] if frames > 1 and image.format != "MPO" else []


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
    alpha = None
    if image.has_transparency_data:
        cut_out = image.convert("RGBA")
        alpha = cut_out.getchannel("A")
        image = cut_out.convert("L") if image.mode in ("LA", "La") else cut_out
    colours = _colours(image, repairs)
    if alpha is None or alpha.getextrema() == (255, 255):
        return colours
    repairs.append("transparency laid over white")
    colours.putalpha(alpha)
    white = Image.new("RGBA", colours.size, "white")
    return Image.alpha_composite(white, colours).convert("RGB")


def _colours(image: Image.Image, repairs: list[str]) -> Image.Image:
    """RGB without what is transparent, as sRGB."""
    if "icc_profile" in image.info and image.info["icc_profile"]:
        return to_srgb(image, image.info["icc_profile"], repairs)
    return image.convert("RGB")


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
    kind = pointer(data)
    if kind is not None:
        return f"this is {kind}, not the picture; {FETCH}"
    if data[4:8] == _BOX and data[8:12] in _BRANDS:
        return _BRANDS[data[8:12]]
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

"""Pictures as data inside a page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SIDE = 256
Form = Literal["PNG", "WEBP"]
SAVED: dict[Form, dict[str, Any]] = {"PNG": {"optimize": True}, "WEBP": {"quality": 80}}


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data address, None for a file that is missing or broken."""

    path: Path
    data: str | None


def thumbnail(path: Path, side: int = SIDE, form: Form = "PNG") -> Thumbnail:
    """At most `side` pixels a side; as PNG small pictures keep every pixel, WEBP is smaller."""
    from PIL import Image

    buffer = io.BytesIO()
    try:
        with Image.open(path) as image:
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            image.save(buffer, format=form, **SAVED[form])
    except (OSError, SyntaxError, ValueError):
        # Pillow's word for some broken PNG files is SyntaxError.
        return Thumbnail(path, None)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Thumbnail(path, f"data:image/{form.lower()};base64,{data}")


def missing_line(thumbnails: list[Thumbnail]) -> list[str]:
    """How many pictures cannot be shown; nothing where all can."""
    missing = list(dict.fromkeys(one.path for one in thumbnails if one.data is None))
    if not missing:
        return []
    several = f"{len(missing)} pictures" if len(missing) > 1 else "1 picture"
    return [f"{several} cannot be read (first: {missing[0]})"]


def embedded(path: Path) -> str | None:
    """A small JPEG file as a data address; None where it is missing."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"

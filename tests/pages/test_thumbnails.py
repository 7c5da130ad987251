import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from sdexp.pages.thumbnails import missing_line, thumbnail

LOSSY = "data:image/webp;base64,"
PREFIX = "data:image/png;base64,"


def shown(data: str | None) -> Image.Image:
    assert data is not None and data.startswith(PREFIX)
    return Image.open(io.BytesIO(base64.b64decode(data.removeprefix(PREFIX))))


def drawn(folder: Path, height: int, width: int) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "x.png")
    return folder / "x.png"


def test_a_small_picture_keeps_every_pixel(tmp_path: Path) -> None:
    file = drawn(tmp_path, 20, 30)
    assert (np.asarray(shown(thumbnail(file).data)) == np.asarray(Image.open(file))).all()


def test_a_large_one_fits_and_keeps_its_shape(tmp_path: Path) -> None:
    assert shown(thumbnail(drawn(tmp_path, 300, 600), 100).data).size == (100, 50)


def test_equal_pictures_are_equal_bytes(tmp_path: Path) -> None:
    file = drawn(tmp_path, 40, 40)
    assert thumbnail(file, 16) == thumbnail(file, 16)


def test_what_cannot_be_shown_is_counted_once(tmp_path: Path) -> None:
    good = thumbnail(drawn(tmp_path, 4, 4))
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.path.read_bytes()[:40])
    broken, gone = thumbnail(bad), thumbnail(tmp_path / "gone.png")
    assert broken.data is None and gone.data is None
    assert missing_line([good]) == []
    assert missing_line([good, gone, gone]) == [f"1 picture cannot be read (first: {gone.path})"]
    assert missing_line([broken, gone, broken]) == [
        f"2 pictures cannot be read (first: {broken.path})"
    ]


def test_a_lossy_one_is_smaller_and_looks_the_same(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    Image.fromarray(np.dstack([np.tile(ramp, (64, 1))] * 3)).save(tmp_path / "x.png")
    data = thumbnail(tmp_path / "x.png", 64, "WEBP").data
    assert data is not None and data.startswith(LOSSY)
    pixels = Image.open(io.BytesIO(base64.b64decode(data.removeprefix(LOSSY)))).convert("RGB")
    apart = np.asarray(pixels, np.int16) - np.asarray(Image.open(tmp_path / "x.png"), np.int16)
    assert np.abs(apart).mean() < 4 and data == thumbnail(tmp_path / "x.png", 64, "WEBP").data

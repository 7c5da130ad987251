import io

import pytest
from PIL import Image

from sdexp.ground.signatures import picture_suffix


@pytest.mark.parametrize(
    ("form", "suffix"),
    [
        ("JPEG", ".jpg"),
        ("PNG", ".png"),
        ("GIF", ".gif"),
        ("WEBP", ".webp"),
        ("BMP", ".bmp"),
        ("TIFF", ".tif"),
    ],
)
def test_files_are_told_by_their_first_bytes(form: str, suffix: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, form)
    assert picture_suffix(file.getvalue()) == suffix


@pytest.mark.parametrize("data", [b"", b"<html>", b"hello"])
def test_anything_else_is_no_picture(data: bytes) -> None:
    assert picture_suffix(data) is None

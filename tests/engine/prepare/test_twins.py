import io

import numpy as np
import pytest
from PIL import Image

from sdexp.engine.prepare import twins
from sdexp.engine.prepare.twins import Look, look, near_pairs
from tests.shared import shared


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    files = sorted((shared("photos") / "train").glob("*.*g"))
    return [Image.open(file).convert("RGB") for file in files]


def again(image: Image.Image, size: float, quality: int) -> Image.Image:
    file = io.BytesIO()
    width, height = round(image.width * size), round(image.height * size)
    image.resize((width, height), Image.Resampling.LANCZOS).save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize(("size", "quality"), [(1.0, 95), (0.34, 40), (0.6, 20), (1.7, 80)])
def test_copies_are_found_and_nothing_else(
    photos: list[Image.Image], size: float, quality: int
) -> None:
    first = [look(photo) for photo in photos]
    second = [look(again(photo, size, quality)) for photo in photos]
    found = [(row, column) for row, column, _ in near_pairs(first, second)]
    assert found == [(k, k) for k in range(len(photos))]


def test_another_part_or_colour_is_another_picture(photos: list[Image.Image]) -> None:
    photo = photos[0]
    part = photo.crop((0, 0, photo.width // 2, photo.height // 2))
    red, green, blue = photo.split()
    other = Image.merge("RGB", (blue, red, green))
    assert not list(near_pairs([look(photo)], [look(part), look(other)]))


def test_plain_areas_are_told_apart_by_their_colour() -> None:
    areas = [look(Image.new("RGB", (50, 40), colour)) for colour in ("white", "#fefefe", "navy")]
    assert [(row, column) for row, column, _ in near_pairs(areas[:1], areas)] == [(0, 0)]


def test_blocks_of_rows_miss_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    smalls = generator.integers(0, 255, (50, 16, 16, 3), np.uint8)
    seen = [Look(small, int(generator.integers(0, 2**63))) for small in smalls]
    at_once = list(near_pairs(seen, seen))
    monkeypatch.setattr(twins, "ROWS", 7)
    assert list(near_pairs(seen, seen)) == at_once == [(k, k, 0.0) for k in range(50)]

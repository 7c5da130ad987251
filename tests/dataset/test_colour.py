"""Colour profiles of pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from sdexp.dataset.colour import LONGEST_NAME, to_srgb
from sdexp.dataset.pictures import read_picture
from tests.dataset.profiles import D50, GAMMA, WIDE, dark_grey, print_inks, wide_rgb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# sRGB's primaries (IEC 61966-2-1), adapted to D50.
PRIMARIES = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169],
     [0.0139322, 0.0971045, 0.7141733]]
)  # fmt: skip


def converted(image: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    repairs: list[str] = []
    return to_srgb(image, profile, repairs), repairs


def encoded(linear: np.ndarray) -> np.ndarray:
    """0 to 255, as sRGB has it."""
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * np.clip(curved, 0, 1)


@pytest.mark.parametrize("colour", [(60, 200, 90), (120, 90, 200), (30, 30, 30), (250, 240, 235)])
def test_colours_are_those_of_the_formula(colour: tuple[int, int, int]) -> None:
    image, repairs = converted(Image.new("RGB", (2, 2), colour), wide_rgb())
    linear = (np.array(colour) / 255) ** GAMMA
    expected = encoded(np.clip(np.linalg.solve(PRIMARIES, np.array(WIDE).T @ linear), 0, 1))
    assert repairs == ["colour profile Wide converted to sRGB"] and image.mode == "RGB"
    assert abs(np.asarray(image)[0, 0] - expected).max() <= 2


def test_the_usual_profile_changes_nothing() -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image, repairs = converted(Image.fromarray(values), SRGB)
    assert repairs == [] and (np.asarray(image) == values).all()
    grey, repairs = converted(Image.fromarray(values[..., 0]), SRGB)
    assert repairs == [] and (np.asarray(grey) == values[..., :1]).all()


def test_grey_and_print_have_their_own() -> None:
    image, repairs = converted(Image.new("L", (2, 2), 55), dark_grey())
    assert repairs == ["colour profile Linear grey converted to sRGB"]
    assert abs(np.asarray(image)[0, 0] - encoded(np.full(3, 55 / 255))).max() <= 1
    image, repairs = converted(Image.new("CMYK", (2, 2), (255, 0, 255, 0)), print_inks())
    lightness = ((50 + 16) / 116) ** 3
    assert repairs == ["colour profile Grey inks converted to sRGB"]
    assert abs(np.asarray(image)[0, 0] - encoded(np.full(3, lightness * D50[1]))).max() <= 3


@pytest.mark.parametrize(
    "mode, profile, words",
    [
        ("RGB", b"0123456789", "a broken colour profile ignored"),
        ("RGB", wide_rgb()[:200], "a broken colour profile ignored"),
        ("CMYK", wide_rgb(), "colour profile Wide ignored: the pixels are CMYK"),
        ("RGB", print_inks(), "colour profile Grey inks ignored: the pixels are RGB"),
        ("RGB", dark_grey(), "colour profile Linear grey ignored: the pixels are RGB"),
    ],
)
def test_what_cannot_be_followed_is_named(mode: str, profile: bytes, words: str) -> None:
    plain = Image.new(mode, (2, 2), 77)
    image, repairs = converted(plain, profile)
    assert repairs == [words] and image.tobytes() == plain.convert("RGB").tobytes()


def test_a_name_is_short_and_one_line() -> None:
    data = wide_rgb().replace(b"Wide\0", b"W\n\ne\0")
    assert converted(Image.new("RGB", (2, 2), 9), data)[1] == [
        "colour profile W e converted to sRGB"
    ]
    assert LONGEST_NAME < 100


def test_the_given_pictures(shared_data: Path) -> None:
    folder = shared_data / "failing_inputs" / "09_icc_ignored"
    wide = read_picture(folder / "wide.png")
    assert wide.image.getpixel((0, 0)) == (0, 201, 80)
    assert wide.repairs == ("colour profile Adobe-like wide converted to sRGB",)
    broken = read_picture(folder / "broken.png")
    assert broken.repairs == ("a broken colour profile ignored",)
    assert broken.image.getpixel((0, 0)) == (60, 200, 90)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_profiles_of_every_format_are_found(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (16, 16), (60, 200, 90)).save(path, icc_profile=wide_rgb(), quality=100)
    picture = read_picture(path)
    assert picture.repairs == ("colour profile Wide converted to sRGB",)
    assert abs(np.asarray(picture.image)[0, 0].astype(int) - (0, 201, 80)).max() <= 3

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sdexp.engine.images import crop_square, cut, save_png, to_signed, to_tensor


@pytest.mark.parametrize("size", [(64, 64), (100, 50), (50, 100), (33, 97), (7, 9)])
def test_a_square_of_the_wanted_side(size: tuple[int, int]) -> None:
    assert crop_square(Image.new("RGB", size), 32).size == (32, 32)


def test_the_centre_is_kept_and_the_place_moves_the_square() -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 255
    picture = Image.fromarray(wide)
    assert np.asarray(crop_square(picture, 32)).min() == 255
    assert np.asarray(crop_square(picture, 32, (0.0, 0.5))).max() == 0


def test_a_picture_of_the_right_size_is_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert (np.asarray(crop_square(Image.fromarray(pixels), 64)) == pixels).all()


def test_scaling_down_is_antialiased() -> None:
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[:, ::2] = 255
    small = np.asarray(crop_square(Image.fromarray(lines), 32))
    assert abs(int(small.mean()) - 127) <= 1 and small.std() < 4


@pytest.mark.parametrize("size", [(64, 64), (100, 50), (50, 100), (33, 97), (320, 200)])
@pytest.mark.parametrize("target", [(32, 32), (48, 24), (24, 48), (64, 8)])
def test_a_rectangle_is_just_covered(size: tuple[int, int], target: tuple[int, int]) -> None:
    part = cut(Image.new("RGB", size), target, (1.0, 1.0))
    assert part.pixels.shape == (3, *target[::-1])
    assert part.framing.original_size == size[::-1] and part.framing.target_size == target[::-1]
    top, left = part.framing.top_left
    # One side is scaled to that of the target, so that nothing is cut off there.
    assert min(top, left) == 0
    flipped = cut(Image.new("RGB", size), target, (1.0, 1.0), flipped=True)
    assert flipped.framing.top_left == (top, 0)


def test_range_of_signed_pixels() -> None:
    picture = Image.fromarray(np.array([[[0, 255, 51]]], np.uint8))
    values = to_signed(to_tensor(picture)).flatten()
    torch.testing.assert_close(values, torch.tensor([-1.0, 1.0, -0.6]))


def test_png_keeps_every_pixel_and_equal_pixels_give_equal_bytes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    save_png(pixels, tmp_path / "a" / "1.png")
    save_png(pixels.copy(), tmp_path / "b" / "2.png")
    assert (np.asarray(Image.open(tmp_path / "a" / "1.png")) == pixels).all()
    assert (tmp_path / "a" / "1.png").read_bytes() == (tmp_path / "b" / "2.png").read_bytes()

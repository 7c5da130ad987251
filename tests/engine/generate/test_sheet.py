"""Sheets of pictures."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from sdexp.engine.generate.sheet import GAP, LINE, Row, fitting, side_by_side
from sdexp.engine.images import save_png


def test_small_pictures_are_enlarged_and_stand_in_their_place(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    pictures = draws.integers(0, 255, (2, 2, 64, 64, 3), dtype=np.uint8)
    for place in np.ndindex(2, 2):
        save_png(pictures[place], tmp_path / f"{place}.png")
    rows = [
        Row(f"prompt {k}", tuple(tmp_path / f"{(k, side)}.png" for side in (0, 1)))
        for k in range(2)
    ]
    sheet = side_by_side(["original", "finetuned"], rows)
    assert sheet.shape == (LINE + GAP + 2 * (LINE + 256 + GAP), 2 * (256 + GAP) + GAP, 3)
    for row in range(2):
        for column in range(2):
            top = LINE + GAP + row * (LINE + 256 + GAP) + LINE
            left = GAP + column * (256 + GAP)
            cell = sheet[top : top + 256, left : left + 256]
            assert (cell[::4, ::4] == pictures[row, column]).all()
    # Something is written above.
    assert sheet[:LINE].min() < 100


def test_large_pictures_keep_their_size(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "a.png")
    assert side_by_side(["a"], [Row("x", (tmp_path / "a.png",))]).shape[1] == 300 + 2 * GAP


def test_long_titles_end_with_dots() -> None:
    font = ImageFont.load_default(14)
    assert fitting("a cat", 200, font) == "a cat"
    cut = fitting("a cat and " * 50, 200, font)
    assert cut.endswith("...") and font.getlength(cut) <= 200
    assert fitting("two\nlines", 200, font) == "two lines"

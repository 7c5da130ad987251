"""Sheets of pictures."""

import numpy as np
from PIL import ImageFont

from sdexp.engine.evaluate.sheet import GAP, LINE, Row, fitting, side_by_side


def test_small_pictures_are_enlarged_and_stand_in_their_place() -> None:
    draws = np.random.default_rng(0)
    pictures = draws.integers(0, 255, (2, 2, 64, 64, 3), dtype=np.uint8)
    rows = [Row(f"prompt {k}", (pictures[k, 0], pictures[k, 1])) for k in range(2)]
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


def test_long_titles_end_with_dots() -> None:
    font = ImageFont.load_default(14)
    assert fitting("a cat", 200, font) == "a cat"
    cut = fitting("a cat and " * 50, 200, font)
    assert cut.endswith("...") and font.getlength(cut) <= 200
    assert fitting("two\nlines", 200, font) == "two lines"

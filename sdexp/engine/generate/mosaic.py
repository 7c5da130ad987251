"""Cells in blocks of two by two on white."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

# Shares of a cell's side, as in the grids that this layout is known from: 1189 pixels of 8 cells.
BORDER = 15 / 139.5
INSIDE = 4 / 139.5
BETWEEN = 9.5 / 139.5


def offsets(cells: int, side: int) -> list[int]:
    """Where each cell of a row begins, in pixels, and behind them the length of the whole."""
    border, inside, between = (max(1, round(side * share)) for share in (BORDER, INSIDE, BETWEEN))
    places = []
    at = border
    for number in range(cells):
        places.append(at)
        is_last = number == cells - 1
        at += side + (border if is_last else between if number % 2 else inside)
    return [*places, at]


def mosaic(pictures: Iterable[np.ndarray], cells: int, side: int) -> np.ndarray:
    """uint8 [L, L, 3] of square pictures [H, H, 3], block by block, each block row by row."""
    *places, length = offsets(cells, side)
    sheet = Image.new("RGB", (length, length), "white")
    blocks = cells // 2
    for number, picture in enumerate(pictures):
        block, cell = divmod(number, 4)
        row = block // blocks * 2 + cell // 2
        column = block % blocks * 2 + cell % 2
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (places[column], places[row]))
    return np.asarray(sheet)

"""Pictures of several models side by side, a row for each prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 8
# Smaller pictures are enlarged, so that something can be seen of them.
LEAST_SIDE = 256
TEXT_SIZE = 14
LINE = 20


@dataclass(frozen=True)
class Row:
    """What stands above a row, and the files of its pictures, all of one size."""

    title: str
    pictures: tuple[Path, ...]


def side_by_side(heads: Sequence[str], rows: Sequence[Row]) -> np.ndarray:
    """uint8 [H, W, 3]: white gaps, heads above the columns, small pictures without smoothing."""
    with Image.open(rows[0].pictures[0]) as first:
        side = first.height
    side *= max(1, LEAST_SIDE // side)
    width = len(heads) * (side + GAP) + GAP
    height = LINE + GAP + len(rows) * (LINE + side + GAP)
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(TEXT_SIZE)
    for column, head in enumerate(heads):
        pen.text((GAP + column * (side + GAP), GAP // 2), head, "black", font)
    for number, row in enumerate(rows):
        top = LINE + GAP + number * (LINE + side + GAP)
        pen.text((GAP, top), fitting(row.title, width - 2 * GAP, font), "black", font)
        for column, file in enumerate(row.pictures):
            with Image.open(file) as picture:
                enlarged = picture.resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (GAP + column * (side + GAP), top + LINE))
    return np.asarray(sheet)


def fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of it as fits into so many pixels, with dots behind."""
    line = " ".join(text.split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}...") > width:
        line = line[:-1]
    return f"{line.rstrip()}..."

"""Tables of captions as they go round: by bars, by commas, or by tabs."""

import csv
import io
import re

from sdexp.dataset.captions import CaptionBook
from sdexp.ground.errors import DataError

# What the columns of pictures and of captions are called.
PICTURES = ("image", "image_name", "file_name", "filename", "image_id", "photo")
CAPTIONS = ("caption", "comment", "text", "caption_text", "description")

_TOKEN = re.compile(r"(.+)#(\d+)\t(.*)")
_BROKEN_ROW = re.compile(r"\s*(\d+)\s+(.*)", re.DOTALL)


def read_captions(label: str, text: str, book: CaptionBook) -> None:
    """Add the captions of a table to a book; which of the forms it has shows its first line.

    `name| number| caption` with quotes that quote nothing (Flickr30k); comma-separated with a
    header and quotes (Flickr8k, and copies of Flickr30k); `name#number<tab>caption` (both). `label`
    names the table in findings. Rows that are none are dropped, those that can be mended are.
    Raises `DataError` for a header without the two columns.
    """
    first = next((line for line in text.split("\n") if line.strip()), "")
    if _TOKEN.fullmatch(first.strip()):
        _by_tabs(label, text, book)
    elif "|" in first:
        _by_bars(label, text, book)
    else:
        _by_commas(label, text, book)


def _by_tabs(label: str, text: str, book: CaptionBook) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        found = _TOKEN.fullmatch(line.strip())
        if found is not None:
            book.add(found[1], found[3])
        elif line.strip():
            book.drop(f"{label}:{number}", "the line is not 'name#number<tab>caption'")


def _by_bars(label: str, text: str, book: CaptionBook) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        is_header = number == 1 and line.split("|")[0].strip() in PICTURES
        if line.strip() and not is_header:
            _add_row(f"{label}:{number}", line.strip(), book)


def _add_row(where: str, line: str, book: CaptionBook) -> None:
    name, *rest = line.split("|", 2)
    broken = _BROKEN_ROW.fullmatch(rest[0]) if len(rest) == 1 else None
    if broken is not None:
        book.repair(where, "the second delimiter was missing")
        book.add(name.strip(), broken[2])
    elif len(rest) == 2:
        book.add(name.strip(), rest[1])
    else:
        book.drop(where, "the line is not 'image_name| comment_number| comment'")


def _by_commas(label: str, text: str, book: CaptionBook) -> None:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        picture = _column(label, header, PICTURES)
        caption = _column(label, header, CAPTIONS)
        for row in reader:
            if row:
                _add_cells(f"{label}:{reader.line_num}", row, (picture, caption, len(header)), book)
    except csv.Error as error:
        raise DataError(f"{label}, line {reader.line_num + 1}: {error}") from error


def _column(label: str, header: list[str], names: tuple[str, ...]) -> int:
    found = [place for place, name in enumerate(header) if name in names]
    if not found:
        raise DataError(
            f"{label}: no column {names[0]}; its first line has: {', '.join(header) or 'nothing'}"
        )
    return found[0]


def _add_cells(
    where: str, row: list[str], columns: tuple[int, int, int], book: CaptionBook
) -> None:
    """columns: places of picture and caption, and how many there are."""
    picture, caption, width = columns
    lines = sum(cell.count("\n") for cell in row)
    if lines:
        book.drop(where, f"a quote is not closed; {lines + 1} lines are lost")
        return
    if len(row) > width and caption == width - 1:
        book.repair(where, "commas of the caption were not quoted")
        row = [*row[:caption], ",".join(row[caption:])]
    if len(row) == width:
        book.add(row[picture].strip(), row[caption])
    else:
        book.drop(where, f"the line has {len(row)} cells, the header {width}")

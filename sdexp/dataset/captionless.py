"""Captions added to pictures of a folder that have none."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from sdexp.dataset.captions import FILE_COLUMN
from sdexp.ground.errors import DataError
from sdexp.ground.files import disk_faults

APPENDED = ".jsonl"


def check_appendable(where: str, tables: Sequence[str]) -> None:
    """Raise `DataError` for a metadata file that lines cannot be added to."""
    fixed = [table for table in tables if not table.endswith(APPENDED)]
    if fixed:
        raise DataError(
            f"{where}: captions are added to metadata.jsonl or NAME.txt, and {fixed[0]} is there; "
            "convert it to metadata.jsonl"
        )


def add_caption(
    root: Path, tables: Mapping[str, Path], column: str, picture: Path, caption: str
) -> None:
    """Add a line to the nearest metadata.jsonl above a picture, or write NAME.txt beside it."""
    name = PurePosixPath(picture.relative_to(root).as_posix())
    above = [table for table in tables if PurePosixPath(table).parent in name.parents]
    with disk_faults(picture):
        if not above:
            with picture.with_suffix(".txt").open("x", encoding="utf-8") as file:
                file.write(f"{caption}\n")
            return
        nearest = max(above, key=lambda table: len(PurePosixPath(table).parts))
        inside = name.relative_to(PurePosixPath(nearest).parent)
        _append(tables[nearest], json.dumps({FILE_COLUMN: str(inside), column: caption}))


def _append(file: Path, line: str) -> None:
    """Add a line, after a newline where the last one lacks it."""
    with file.open("rb+") as opened:
        opened.seek(0, 2)
        ends = b""
        if opened.tell():
            opened.seek(-1, 2)
            ends = b"" if opened.read(1) == b"\n" else b"\n"
        opened.write(ends + line.encode() + b"\n")

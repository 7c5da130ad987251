"""Captions added to pictures of a folder that have none."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from sdexp.dataset.captions import FILE_COLUMN
from sdexp.ground.errors import DataError
from sdexp.ground.files import disk_faults, write_text

APPENDED = ".jsonl"


def check_places(
    where: str, names: Sequence[str], pictures: Sequence[str], tables: Sequence[str]
) -> None:
    """Raise `DataError` where a caption could not be written, or would be read as another's.

    names: pictures without a caption, among all `pictures`; tables: metadata files.
    """
    _check_appendable(where, tables)
    if tables:
        outside = [name for name in names if not _above(name, tables)]
        if outside:
            raise DataError(
                f"{where}: {outside[0]} lies outside the folder of {tables[0]}, so a caption for "
                "it would not be read; move it there"
            )
        return
    stems = Counter(_stem(name) for name in pictures)
    shared = [name for name in names if stems[_stem(name)] > 1]
    if shared:
        raise DataError(
            f"{where}: {shared[0]} and another picture would share {_stem(shared[0])}.txt; rename "
            "one"
        )


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _above(name: str, tables: Sequence[str]) -> list[str]:
    """The metadata files in a picture's folder or above it, the nearest last."""
    parents = PurePosixPath(name).parents
    found = [table for table in tables if PurePosixPath(table).parent in parents]
    return sorted(found, key=lambda table: len(PurePosixPath(table).parts))


def _check_appendable(where: str, tables: Sequence[str]) -> None:
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
    name = picture.relative_to(root).as_posix()
    above = _above(name, list(tables))
    if not above:
        # One that is there says nothing.
        write_text(picture.with_suffix(".txt"), f"{caption}\n")
        return
    inside = PurePosixPath(name).relative_to(PurePosixPath(above[-1]).parent)
    with disk_faults(picture):
        _append(tables[above[-1]], json.dumps({FILE_COLUMN: str(inside), column: caption}))


def _append(file: Path, line: str) -> None:
    """Add a line, after a newline where the last one lacks it."""
    with file.open("rb+") as opened:
        opened.seek(0, 2)
        ends = b""
        if opened.tell():
            opened.seek(-1, 2)
            ends = b"" if opened.read(1) == b"\n" else b"\n"
        opened.write(ends + line.encode() + b"\n")

"""Rows of a published set as picture files with a metadata file, made once.

A folder is whole when `selection.json` lies in it. Until then `.place.json` says how far it is, so
that a kill loses no more than a few rows.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sdexp.dataset.imagefolder import SPLIT_FOLDERS
from sdexp.dataset.published import Place, Published
from sdexp.dataset.selection import Row
from sdexp.ground.errors import DataError
from sdexp.ground.files import disk_faults, write_text
from sdexp.ground.progress import Progress
from sdexp.ground.store import Store, default_root, digest

WHOLE = "selection.json"
PLACE = ".place.json"
METADATA = "metadata.jsonl"
KIND = "extracted"
# Pictures of a folder, and rows after which the place is noted.
CHUNK = 1000
NOTED = 100
SUFFIXES = {
    b"\xff\xd8": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


@dataclass(frozen=True)
class Reached:
    """How far a split is: the place behind the last row, rows read, pictures, bytes of captions."""

    place: Place | None = None
    rows: int = 0
    pictures: int = 0
    size: int = 0
    done: bool = False


def is_whole(folder: Path) -> bool:
    """Whether all pictures of a selection are there."""
    return (folder / WHOLE).is_file()


def extract(published: Published, folder: Path) -> None:
    """Write the pictures of a selection; one process does, others wait.

    Splits that the set names train, validation and test keep a folder each; those of other names
    are left out, unless there is but one.
    """
    store = Store(default_root())
    with store.lock(KIND, digest(str(folder.absolute())), wait=True):
        if is_whole(folder):
            return
        published.check()
        names = published.splits()
        kept = _homes(published, names)
        for name, home in kept.items():
            _Split(published, name, folder / home).write()
        facts = asdict(published.selection) | {
            "commit": published.revision,
            "splits": list(kept),
            "left_out": [name for name in names if name not in kept],
        }
        write_text(folder / WHOLE, f"{json.dumps(facts, indent=1)}\n")
        for home in kept.values():
            (folder / home / PLACE).unlink(missing_ok=True)


def _homes(published: Published, names: Sequence[str]) -> dict[str, str]:
    """The folder of each split that is taken."""
    if len(names) == 1:
        return {names[0]: ""}
    homes = {name: SPLIT_FOLDERS[name] for name in names if name in SPLIT_FOLDERS}
    if "train" not in homes.values():
        raise DataError(
            f"dataset.path={published.selection.path}: has the splits {', '.join(names)} and none "
            "called train; choose another dataset.config_name"
        )
    return homes


class _Split:
    """One split on its way into a folder."""

    def __init__(self, published: Published, name: str, folder: Path) -> None:
        self.published = published
        self.selection = published.selection
        self.name = name
        self.folder = folder
        self.labels = published.labels(name)
        self.reached = self._reached()

    def write(self) -> None:
        """Write what is still to be written."""
        if self.reached.done:
            return
        with disk_faults(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / METADATA).open("ab") as captions:
                captions.truncate(self.reached.size)
                self._write_rows(captions)

    def _write_rows(self, captions: Any) -> None:
        progress = Progress(
            f"reading {self.selection.path} ({self.name})",
            self.selection.max_pictures,
            self.reached.pictures,
            True,
            unit="picture",
        )
        rows = self.published.rows(self.name, self.reached.place)
        while not self._has_enough() and (found := next(rows, None)) is not None:
            row, place = found
            self.reached = replace(self.reached, rows=self.reached.rows + 1)
            if self.selection.takes(row, self.labels):
                captions.write(self._written(row))
                self.reached = replace(self.reached, pictures=self.reached.pictures + 1)
                progress.advance("")
            if self.reached.rows % NOTED == 0:
                self.reached = replace(self.reached, place=place())
                self._note(captions)
        rows.close()
        progress.close()
        self.reached = replace(self.reached, done=True)
        self._note(captions)

    def _has_enough(self) -> bool:
        most = self.selection.max_pictures
        return most is not None and self.reached.pictures >= most

    def _written(self, row: Row) -> bytes:
        """Write a row's picture; its line of the metadata file."""
        number = self.reached.rows - 1
        captions = self.selection.captions(row, self.labels)
        data = self.published.picture(row)
        name = f"row {number}"
        if data is not None:
            name = f"{number // CHUNK:04d}/{number:06d}{_suffix(data)}"
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        return f"{json.dumps({'file_name': name, 'text': captions})}\n".encode()

    def _note(self, captions: Any) -> None:
        captions.flush()
        os.fsync(captions.fileno())
        self.reached = replace(self.reached, size=captions.tell())
        write_text(self.folder / PLACE, json.dumps(asdict(self.reached)))

    def _reached(self) -> Reached:
        """How far an earlier command came."""
        file = self.folder / PLACE
        if not file.is_file():
            return Reached()
        try:
            return Reached(**json.loads(file.read_text()))
        except (ValueError, TypeError):
            return Reached()


def _suffix(data: bytes) -> str:
    """By the first bytes; of anything else the data set's examination says what it is."""
    found = [suffix for start, suffix in SUFFIXES.items() if data.startswith(start)]
    return found[0] if found else ".jpg"

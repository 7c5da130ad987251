"""Rows of a published set as picture files with a metadata file, made once.

A folder is whole when `selection.json` lies in it. Until then `.place.json` says how far it is, so
that a kill loses no more than a few rows.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sdexp.dataset.imagefolder import SPLIT_FOLDERS
from sdexp.dataset.published import Place, Published
from sdexp.dataset.selection import Row
from sdexp.ground.errors import DataError
from sdexp.ground.files import disk_faults, write_text
from sdexp.ground.interrupt import check_interrupt
from sdexp.ground.progress import Progress, say
from sdexp.ground.signatures import picture_suffix
from sdexp.ground.store import Store, default_root, digest

WHOLE = "selection.json"
PLACE = ".place.json"
METADATA = "metadata.jsonl"
KIND = "extracted"
# Pictures of a folder, and rows after which the place is noted.
CHUNK = 1000
NOTED = 100
# Of what is no picture; the examination of the data set says what it is.
ANY = ".jpg"


@dataclass(frozen=True)
class Reached:
    """How far a split is: the place behind the last row, rows read, pictures, bytes of captions.

    version: that of the set; a place in another one means nothing.
    """

    version: str
    place: Place | None = None
    rows: int = 0
    pictures: int = 0
    size: int = 0
    done: bool = False


def is_whole(folder: Path) -> bool:
    """Whether all pictures of a selection are there."""
    return (folder / WHOLE).is_file()


def left_out(folder: Path) -> list[str]:
    """Splits of the set whose rows are not among the pictures of a whole folder."""
    facts = json.loads((folder / WHOLE).read_text())
    names: list[str] = facts["left_out"]
    return names


def check_same(published: Published, folder: Path) -> None:
    """Raise `DataError` where local files are not those any more that a folder was made from.

    A set of the Hub stays at the commit that it was laid out from.
    """
    facts = json.loads((folder / WHOLE).read_text())
    if published.is_local and facts["version"] != published.version:
        raise DataError(
            f"dataset.path={published.selection.path}: its files changed since they were laid out "
            f"in {folder}; remove that folder to lay them out anew"
        )


def extract(published: Published, folder: Path) -> None:
    """Write the pictures of a selection; one process does, others wait.

    Splits that the set names train, validation and test keep a folder each; those of other names
    are left out, unless there is but one. Raises `DataError` where nothing is selected.
    """
    store = Store(default_root())
    with store.lock(KIND, digest(str(folder.absolute())), wait=True):
        if is_whole(folder):
            return
        published.check()
        names = published.splits()
        kept = _homes(published, names)
        splits = [_Split(published, name, folder / home) for name, home in kept.items()]
        for split in splits:
            split.write()
        if not any(split.reached.pictures for split in splits):
            shutil.rmtree(folder)
            raise DataError(
                f"dataset.where={dict(published.selection.where)}: no row of "
                f"{published.selection.path} has these values; name others"
            )
        facts = asdict(published.selection) | {
            "version": published.version,
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
    where = f"dataset.path={published.selection.path}: has the splits {', '.join(names)}"
    if "train" not in homes.values():
        raise DataError(f"{where} and none called train; choose another dataset.config_name")
    if len(set(homes.values())) < len(homes):
        raise DataError(f"{where}, two of which mean the same; rename one")
    return homes


class _Split:
    """One split on its way into a folder."""

    def __init__(self, published: Published, name: str, folder: Path) -> None:
        self.published = published
        self.selection = published.selection
        self.name = name
        self.folder = folder
        self.columns = published.columns(name)
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
            check_interrupt()
            row, place = found
            self.reached = replace(self.reached, rows=self.reached.rows + 1)
            if self.selection.takes(row, self.columns):
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
        captions = self.selection.captions(row, self.columns)
        data = self.published.picture(row)
        name = f"row {number}"
        if data is not None:
            name = f"{number // CHUNK:04d}/{number:06d}{picture_suffix(data) or ANY}"
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
        """How far an earlier command came; from the beginning where that cannot be gone on with."""
        anew = Reached(self.published.version)
        try:
            told = json.loads((self.folder / PLACE).read_text())
            earlier = Reached(**told)
            written = (self.folder / METADATA).stat().st_size
        except (OSError, ValueError, TypeError):
            return anew
        if earlier.version != anew.version:
            say(f"{self.selection.path} changed meanwhile; its {self.name} is read anew")
            shutil.rmtree(self.folder)
            return anew
        return earlier if written >= earlier.size else anew

"""A folder of pictures with a metadata file, or with a caption file beside each picture."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from sdexp.dataset.base import Finding, Findings, Uncaptioned
from sdexp.dataset.captionless import add_caption, check_places
from sdexp.dataset.captions import (
    FILE_COLUMN,
    CaptionBook,
    Listing,
    read_rows,
    read_text,
    same_name,
)
from sdexp.dataset.file_dataset import AbstractFileDataset
from sdexp.dataset.folder import check_folder, is_picture, pictures_in, scan
from sdexp.ground.errors import DataError
from sdexp.ground.files import require_path

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
SPLIT_FOLDERS = {
    "train": "train",
    "val": "val",
    "validation": "val",
    "valid": "val",
    "test": "test",
}
# kohya's trainers see the pictures of a folder `10_name` ten times an epoch.
REPEATS = re.compile(r"(\d+)_.+")


@dataclass(frozen=True)
class ImageFolder(AbstractFileDataset):
    """Pictures in `data_dir`, with captions in a metadata file or in NAME.txt.

    metadata.jsonl, .csv or .parquet has the columns `file_name`, relative to itself, and
    `caption_column`: one caption, or a list of them. A path of another machine is matched by its
    file name where only one picture has it. Without a metadata file each line of a.txt is a caption
    of a.jpg, and a folder 10_name has its pictures seen ten times an epoch. Split folders (train,
    val or validation or valid, test) are used as they are; a split without a folder is cut from
    train by hash of the sample id, which is the path inside `data_dir`. Hidden files are not read.
    """

    data_dir: str
    caption_column: str = "text"
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    max_dropped_fraction: float = 0.05

    def __post_init__(self) -> None:
        require_path("dataset.data_dir", self.data_dir, "the folder that holds the pictures")
        if not self.caption_column.strip():
            raise ValueError(
                "dataset.caption_column='': set it to the column of the captions, such as text"
            )
        assert self.rules

    def uncaptioned(self) -> Uncaptioned:
        """Those with neither a row of a metadata file nor a NAME.txt that says anything."""
        files, book = self._files()
        tables = {table: files[table] for table in _tables(files)}
        for table in tables:
            _read_table(table, files, self.caption_column, book)
        if not tables:
            _read_caption_files(files, book)
        names = [name for name in pictures_in(files) if not book.is_captioned(name)]
        check_places(self.where, names, pictures_in(files), list(tables))
        root = Path(self.data_dir).expanduser()
        add = partial(add_caption, root, tables, self.caption_column)
        return Uncaptioned([files[name] for name in names], add)

    def listing(self) -> Listing:
        """Every captioned picture file; raises `DataError` for captions that cannot be read."""
        files, book = self._files()
        root = Path(self.data_dir).expanduser()
        _check_split_folders(root, self.where)
        tables = _tables(files)
        self._check_captions(files, tables)
        for table in tables:
            _read_table(table, files, self.caption_column, book)
        if tables:
            _note_caption_files(files, tables[0], book)
        else:
            _read_caption_files(files, book)
        listing = _with_homes(root, book.listing(files, pictures_in(files)))
        return listing if tables else _with_repeats(listing)

    def _files(self) -> tuple[dict[str, Path], CaptionBook]:
        """All files by their path in the folder, and a book that notes what cannot be read."""
        book = CaptionBook()
        return scan(check_folder(self.data_dir, "pictures and a metadata.jsonl"), book), book

    def _check_captions(self, files: Mapping[str, Path], tables: list[str]) -> None:
        folders = Counter(PurePosixPath(table).parent for table in tables)
        twice = [table for table in tables if folders[PurePosixPath(table).parent] > 1]
        if twice:
            raise DataError(
                f"{self.where}: {twice[1]} stands beside {twice[0]}, and which counts is not "
                "known; keep one"
            )
        captioned = any(_caption_file(name) in files for name in files if is_picture(name))
        if not tables and not captioned:
            raise DataError(
                f"{self.where}: no captions; put metadata.jsonl or metadata.csv (file_name, "
                f"{self.caption_column}) there, or NAME.txt beside each picture"
            )


def _tables(files: Iterable[str]) -> list[str]:
    return [name for name in files if PurePosixPath(name).name in METADATA]


def _caption_file(picture: str) -> str:
    return PurePosixPath(picture).with_suffix(".txt").as_posix()


def _read_table(table: str, files: dict[str, Path], caption_column: str, book: CaptionBook) -> None:
    folder = PurePosixPath(table).parent
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_name.setdefault(posixpath.basename(file), []).append(file)
    for row in read_rows(files[table], table, caption_column, book):
        name = row[FILE_COLUMN] if FILE_COLUMN in row else None
        caption = row[caption_column] if caption_column in row else None
        if not isinstance(name, str) or not name.strip():
            book.drop(table, f"a row has no {FILE_COLUMN}")
        elif _is_foreign(name):
            _add_by_file_name(name, caption, by_name, book)
        else:
            book.add(same_name((folder / name.strip()).as_posix(), files), caption)


def _is_foreign(name: str) -> bool:
    """Whether a path leads out of the folder, as one of another machine does."""
    path = PurePosixPath(name)
    return path.is_absolute() or PureWindowsPath(name).is_absolute() or ".." in path.parts


def _add_by_file_name(
    name: str, caption: object, by_name: Mapping[str, list[str]], book: CaptionBook
) -> None:
    last = PureWindowsPath(name).name
    same = by_name[last] if last in by_name else []
    if len(same) == 1:
        book.repair(name, f"{FILE_COLUMN} is a path of elsewhere; matched by its file name")
        book.add(same[0], caption)
    else:
        found = f"{len(same)} pictures have its file name" if same else "no picture has its name"
        book.lose(name, f"{FILE_COLUMN} is a path of elsewhere: {found}")


def _note_caption_files(files: dict[str, Path], table: str, book: CaptionBook) -> None:
    """Caption files that a metadata file hides, unless they say the same."""
    for picture in pictures_in(files):
        file = _caption_file(picture)
        if file not in files:
            continue
        if not book.has(picture):
            book.drop(file, f"not read, because {table} is there, which does not name its picture")
        elif not book.agrees(picture, read_text(files[file])):
            book.drop(file, f"says something else than {table}, which counts")


def _read_caption_files(files: dict[str, Path], book: CaptionBook) -> None:
    pictures = pictures_in(files)
    for picture in pictures:
        if _caption_file(picture) in files:
            text = read_text(files[_caption_file(picture)])
            lines = [line for line in text.split("\n") if line.strip()]
            book.add(picture, lines or "")
    used = {_caption_file(picture) for picture in pictures}
    for name in files:
        if name.endswith(".txt") and name not in used:
            book.drop(name, "the caption has no picture: no picture of that name")


def _check_split_folders(root: Path, where: str) -> None:
    there = [name for name in SPLIT_FOLDERS if (root / name).is_dir()]
    if there and "train" not in there:
        raise DataError(f"{where}: there is a folder {there[0]} but no folder train; add it")


def _with_homes(root: Path, listing: Listing) -> Listing:
    if not (root / "train").is_dir():
        return listing
    entries = []
    book = CaptionBook()
    for entry in listing.entries:
        top = PurePosixPath(entry.sample_id).parts[0]
        if top in SPLIT_FOLDERS:
            entries.append(replace(entry, home=SPLIT_FOLDERS[top]))
        else:
            book.lose(entry.sample_id, f"outside the split folders {', '.join(SPLIT_FOLDERS)}")
    findings = listing.findings
    dropped = [*findings.dropped, *book.findings.dropped]
    homes = {SPLIT_FOLDERS[name] for name in SPLIT_FOLDERS if (root / name).is_dir()}
    return Listing(entries, Findings(dropped, findings.repaired), frozenset(homes))


def _with_repeats(listing: Listing) -> Listing:
    entries = []
    folders: dict[str, int] = {}
    for entry in listing.entries:
        folder = PurePosixPath(entry.sample_id).parent
        found = REPEATS.fullmatch(folder.name)
        often = max(1, int(found[1])) if found else 1
        folders[folder.as_posix()] = often
        entries.append(replace(entry, repeats=often))
    told = [
        Finding(
            f"{folder}/", f"its pictures are seen {often} times an epoch, as its name says", "row"
        )
        for folder, often in folders.items()
        if often > 1
    ]
    findings = Findings(listing.findings.dropped, [*listing.findings.repaired, *told])
    return Listing(entries, findings, listing.homes)

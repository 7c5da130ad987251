"""A folder of pictures with a metadata file, or with a caption file beside each picture."""

import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from sdexp.dataset.base import AbstractDataset, Findings, OpenDataset
from sdexp.dataset.captions import (
    FILE_COLUMN,
    CaptionBook,
    Listing,
    printable,
    read_rows,
    read_text,
    same_name,
)
from sdexp.dataset.splits import check_fractions, check_listing
from sdexp.ground.errors import DataError
from sdexp.ground.files import require_path

METADATA = ("metadata.jsonl", "metadata.csv")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
SPLIT_FOLDERS = {
    "train": "train",
    "val": "val",
    "validation": "val",
    "valid": "val",
    "test": "test",
}


@dataclass(frozen=True)
class ImageFolder(AbstractDataset):
    """Pictures in `data_dir`, with captions in metadata.jsonl, metadata.csv or NAME.txt.

    A metadata file has the columns `file_name`, relative to itself, and `caption_column`: one
    caption, or in jsonl a list. Without one, each line of a.txt is a caption of a.jpg. Split
    folders (train, val or validation or valid, test) are used as they are; a split without a
    folder is cut from train by hash of the sample id, which is the path inside `data_dir`.
    Hidden files are not read.
    """

    data_dir: str
    caption_column: str = "text"
    val_fraction: float = 0.1
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        require_path("dataset.data_dir", self.data_dir, "the folder that holds the pictures")
        if not self.caption_column.strip():
            raise ValueError(
                "dataset.caption_column='': set it to the column of the captions, such as text"
            )
        check_fractions(self.val_fraction, self.test_fraction)

    def check(self) -> None:
        """Also counts the captioned files, so that too few are told before anything is decoded."""
        self._check_layout()
        listing = list_folder(Path(self.data_dir).expanduser(), self.caption_column)
        check_listing(self._where, listing, self.val_fraction, self.test_fraction)

    def _check_layout(self) -> None:
        root = check_folder(self.data_dir, "pictures and a metadata.jsonl")
        files = scan(root)
        _check_split_folders(root, self._where)
        tables = _tables(files)
        for table in tables:
            if table.endswith(".csv") and table.removesuffix("csv") + "jsonl" in files:
                raise DataError(
                    f"{self._where}: {printable(table)} stands beside a metadata.jsonl; keep one"
                )
        if not tables and not any(_caption_file(name) in files for name in _pictures(files)):
            raise DataError(
                f"{self._where}: no captions; put metadata.jsonl or metadata.csv (file_name, "
                f"{self.caption_column}) there, or NAME.txt beside each picture"
            )

    def open(self, split: str) -> OpenDataset:
        from sdexp.dataset.files import open_split

        self._check_layout()
        listing = list_folder(Path(self.data_dir).expanduser(), self.caption_column)
        return open_split(self._where, listing, split, self.val_fraction, self.test_fraction)

    @property
    def _where(self) -> str:
        return f"dataset.data_dir={self.data_dir}"


def check_folder(data_dir: str, content: str) -> Path:
    """The folder as a path; raises `DataError` when it does not exist."""
    root = Path(data_dir).expanduser()
    if root.is_dir() and not os.access(root, os.R_OK | os.X_OK):
        raise DataError(
            f"dataset.data_dir={data_dir}: the folder cannot be read; change its rights"
        )
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "the folder does not exist"
        raise DataError(
            f"dataset.data_dir={data_dir}: {state}; put {content} there, "
            "or set dataset.data_dir=..."
        )
    return root


def scan(root: Path) -> dict[str, Path]:
    """All files below `root` by their POSIX path in it, sorted; links are followed once."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                path = Path(folder, name)
                found[path.relative_to(root).as_posix()] = path
    return dict(sorted(found.items()))


def list_folder(root: Path, caption_column: str) -> Listing:
    """Every captioned picture file below `root`; raises `DataError` for unreadable captions."""
    book = CaptionBook()
    files = _valid_names(scan(root), book)
    tables = _tables(files)
    if tables:
        for table in tables:
            _read_table(table, files, caption_column, book)
    else:
        _read_caption_files(files, book)
    return _with_homes(root, book.listing(files, _pictures(files)))


def _valid_names(files: dict[str, Path], book: CaptionBook) -> dict[str, Path]:
    for name in files:
        if printable(name) != name:
            book.drop(name, "the file's name is not UTF-8")
    return {name: path for name, path in files.items() if printable(name) == name}


def _tables(files: dict[str, Path]) -> list[str]:
    return [name for name in files if PurePosixPath(name).name in METADATA]


def _pictures(files: dict[str, Path]) -> list[str]:
    return [name for name in files if PurePosixPath(name).suffix.lower() in SUFFIXES]


def _caption_file(picture: str) -> str:
    return PurePosixPath(picture).with_suffix(".txt").as_posix()


def _read_table(table: str, files: dict[str, Path], caption_column: str, book: CaptionBook) -> None:
    folder = PurePosixPath(table).parent
    for row in read_rows(files[table], table, caption_column, book):
        name = row[FILE_COLUMN] if FILE_COLUMN in row else None
        if not isinstance(name, str) or not name.strip():
            book.drop(table, f"a row has no {FILE_COLUMN}")
        elif PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
            book.drop(name, f"{FILE_COLUMN} is absolute; it must be relative to {table}")
        elif ".." in PurePosixPath(name).parts:
            book.drop(name, f"{FILE_COLUMN} leaves the folder of {table}")
        else:
            picture = same_name((folder / name.strip()).as_posix(), files)
            book.add(picture, row[caption_column] if caption_column in row else None)


def _read_caption_files(files: dict[str, Path], book: CaptionBook) -> None:
    pictures = _pictures(files)
    for picture in pictures:
        if _caption_file(picture) in files:
            text = read_text(files[_caption_file(picture)])
            lines = [line for line in text.split("\n") if line.strip()]
            book.add(picture, lines or "")
    used = {_caption_file(picture) for picture in pictures}
    for name in files:
        if name.endswith(".txt") and name not in used:
            book.drop(name, "the caption has no picture: no file of that name")


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
            book.drop(entry.sample_id, f"outside the split folders {', '.join(SPLIT_FOLDERS)}")
    findings = listing.findings
    dropped = [*findings.dropped, *book.findings.dropped]
    return Listing(entries, Findings(dropped, findings.repaired))

"""Captions as people write them: read from text files, cleaned, and gathered by picture."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdexp.dataset.base import Finding, Findings
from sdexp.ground.errors import DataError
from sdexp.ground.pointers import FETCH, pointer
from sdexp.ground.texts import decoded

FILE_COLUMN = "file_name"

_MISSING_WORDS = {"na", "n/a", "nan", "null", "none"}

Row = Mapping[str, object]


@dataclass(frozen=True)
class Entry:
    """A picture file with at least one caption.

    `home` is the split whose folder or list holds it; "train" where there is none. An epoch of
    training sees it `repeats` times.
    """

    sample_id: str
    path: Path
    captions: tuple[str, ...]
    home: str = "train"
    repeats: int = 1


@dataclass
class Listing:
    """The captioned picture files of a data set, not yet decoded.

    homes: the splits that have a folder or list of their own, even an empty one; the others are cut
    from train.
    """

    entries: list[Entry] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    homes: frozenset[str] = frozenset()


def printable(text: str) -> str:
    """The text with everything escaped that no UTF-8 file could hold."""
    return text.encode("utf-8", "backslashreplace").decode()


class CaptionBook:
    """Captions by name of the picture, cleaned, in the order of reading."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._captions: dict[str, list[str]] = {}
        self._faults: dict[str, list[str]] = {}

    def lose(self, item: str, reason: str) -> None:
        """Note a picture that is left out."""
        self.findings.dropped.append(Finding(printable(item), reason))

    def drop(self, item: str, reason: str) -> None:
        """Note a row or caption that is left out."""
        self.findings.dropped.append(Finding(printable(item), reason, "row"))

    def repair(self, item: str, reason: str) -> None:
        """Note a row or caption that was mended."""
        self.findings.repaired.append(Finding(printable(item), reason, "row"))

    def add(self, name: str, value: object) -> None:
        """`value`: one caption, or a list of them; whatever is no text is kept out."""
        captions = self._captions.setdefault(name, [])
        for caption in value if isinstance(value, list) else [value]:
            fault = _fault(caption)
            if fault is not None:
                self._faults.setdefault(name, []).append(fault)
            elif (text := str(caption).strip()) in captions:
                self.repair(name, "a repeated caption merged")
            else:
                captions.append(text)

    def has(self, name: str) -> bool:
        """Whether anything was said of a picture."""
        return name in self._captions

    def is_captioned(self, name: str) -> bool:
        """Whether there is a caption of a picture that says anything."""
        return name in self._captions and bool(self._captions[name])

    def agrees(self, name: str, text: str) -> bool:
        """Whether each line of a text is a caption of a picture."""
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        return set(lines) <= set(self._captions[name])

    def listing(self, files: Mapping[str, Path], pictures: Iterable[str]) -> Listing:
        """Match captions with files; `pictures` are the files that should have a caption."""
        entries = []
        for name, captions in self._captions.items():
            faults = self._faults[name] if name in self._faults else []
            if name not in files:
                self.lose(name, "the caption has no picture: no such file")
            elif not captions:
                self.lose(name, f"no caption: {faults[0]}" if faults else "no caption")
            else:
                for fault in faults:
                    self.drop(name, fault)
                entries.append(Entry(name, files[name], tuple(captions)))
        for name in pictures:
            if name not in self._captions:
                self.lose(name, "no caption")
        return Listing(sorted(entries, key=lambda entry: entry.sample_id), self.findings)


def _fault(caption: object) -> str | None:
    if caption is None or caption != caption:
        return "a caption is missing"
    if not isinstance(caption, str):
        return f"a caption is a {type(caption).__name__}, not text"
    if not caption.strip():
        return "a caption is empty"
    if caption.strip().lower() in _MISSING_WORDS:
        return f"a caption is only the word '{caption.strip()}'"
    if "\0" in caption or printable(caption) != caption:
        return "a caption holds characters that are no text"
    return None


def same_name(name: str, files: Mapping[str, Path]) -> str:
    """The file that `name` means, also when its accents are composed in another way."""
    if name in files or name.isascii():
        return name
    form = unicodedata.normalize("NFC", name)
    same = [file for file in files if unicodedata.normalize("NFC", file) == form]
    return same[0] if same else name


def read_text(path: Path) -> str:
    """A UTF-8 text, with or without BOM; raises `DataError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    kind = pointer(data)
    if kind is not None:
        raise DataError(f"{path}: this is {kind}, not the file; {FETCH}")
    return decoded(data, str(path))


def read_rows(path: Path, label: str, caption_column: str, book: CaptionBook) -> list[Row]:
    """The rows of a metadata.jsonl, .csv or .parquet; `label` names the file in findings.

    Lines that are no row are dropped. Raises `DataError` when the file is no UTF-8 text or lacks
    one of the two columns.
    """
    if path.suffix == ".parquet":
        rows = _parquet_rows(path)
    elif path.suffix == ".csv":
        rows = _csv_rows(path, read_text(path))
    else:
        rows = _json_rows(label, read_text(path), book)
    columns = sorted({str(column) for row in rows for column in row})
    for column, key in (
        (FILE_COLUMN, str(path)),
        (caption_column, f"dataset.caption_column={caption_column}"),
    ):
        if rows and column not in columns:
            raise DataError(
                f"{key}: {path.name} has no column '{column}'; it has: {', '.join(columns)}"
            )
    return rows


def _json_rows(label: str, text: str, book: CaptionBook) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            book.drop(f"{label}:{number}", f"the line is not JSON: {error}")
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            book.drop(f"{label}:{number}", f"the line is a {type(row).__name__}, not an object")
    return rows


def _parquet_rows(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: damaged ({str(error).splitlines()[0]})") from error
    return rows


def _csv_rows(path: Path, text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        # A row with too many cells has the rest under the key None.
        return [{k: v for k, v in row.items() if k is not None} for row in reader]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num + 1}: {error}") from error

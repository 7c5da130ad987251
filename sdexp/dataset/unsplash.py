"""Unsplash Lite: tables of photos and keywords, and a folder of the photos that were fetched."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from sdexp.dataset.captions import CaptionBook, Listing, read_text
from sdexp.dataset.fetching import fetch_pictures
from sdexp.dataset.file_dataset import AbstractFileDataset
from sdexp.dataset.folder import by_file_name, check_folder, pictures_in, scan
from sdexp.ground.checks import at_least
from sdexp.ground.errors import DataError
from sdexp.ground.files import require_path

PHOTOS = "photos.tsv"
KEYWORDS = "keywords.tsv"
ID = "photo_id"
ADDRESS = "photo_image_url"
PHOTO_ID = re.compile(r"[\w-]+", re.ASCII)
# The folder of what is fetched.
FETCHED = "photos"
CONFIDENCES = ("ai_service_1_confidence", "ai_service_2_confidence")


class CaptionSource(StrEnum):
    """What captions are made of."""

    own = "own"
    ai = "ai"
    keywords = "keywords"


COLUMNS = {CaptionSource.own: "photo_description", CaptionSource.ai: "ai_description"}


@dataclass(frozen=True)
class UnsplashLite(AbstractFileDataset):
    """The tables of unsplash/datasets in `data_dir`, and pictures `<photo_id>.jpg` anywhere below.

    Captions are the photographer's own description, that of a network (`ai`), or the
    `max_keywords` keywords that its services are surest of. Only the photos whose pictures are
    there count; a picture without a row, or whose row has no caption, is lost. `fetch_photos` of
    the table's first photos (None: all) are fetched by `fetch`, `fetch_width` pixels wide
    (None: as they are).
    """

    data_dir: str
    caption_source: CaptionSource
    max_keywords: int
    fetch_photos: int | None
    fetch_width: int | None
    val_fraction: float
    test_fraction: float
    max_dropped_fraction: float

    def __post_init__(self) -> None:
        require_path("dataset.data_dir", self.data_dir, f"the folder with {PHOTOS} and pictures")
        at_least("dataset", 1, max_keywords=self.max_keywords, fetch_width=self.fetch_width)
        at_least("dataset", 0, fetch_photos=self.fetch_photos)
        assert self.rules

    def check_source(self) -> None:
        files = scan(check_folder(self.data_dir, PHOTOS), CaptionBook())
        if self.fetch_photos == 0:
            self.check()
            return
        next(_rows(self.where, files, PHOTOS, (ID, ADDRESS)), None)
        next(self._captions(files, ()), None)

    def fetch(self) -> list[str]:
        """Ids stay as they are; pictures that lie anywhere below the folder are not fetched."""
        root = check_folder(self.data_dir, PHOTOS)
        files = scan(root, CaptionBook())
        there = {f"{Path(name).stem}.jpg" for name in pictures_in(files)}
        wanted = self._addresses(files)
        return [fetch_pictures(wanted, root / FETCHED, there)] if wanted else []

    def _addresses(self, files: dict[str, Path]) -> dict[str, str]:
        """By file name; raises `DataError` for an id that would lead out of the folder."""
        rows = islice(_rows(self.where, files, PHOTOS, (ID, ADDRESS)), self.fetch_photos)
        query = "" if self.fetch_width is None else f"?fm=jpg&q=85&w={self.fetch_width}"
        found = {}
        for row in rows:
            if not PHOTO_ID.fullmatch(row[ID]):
                raise DataError(f"{self.where}: '{row[ID]}' in {PHOTOS} is no id of a photo")
            found[f"{row[ID]}.jpg"] = f"{row[ADDRESS]}{query}" if row[ADDRESS] else ""
        return found

    def listing(self) -> Listing:
        book = CaptionBook()
        files = scan(check_folder(self.data_dir, f"{PHOTOS} and the pictures"), book)
        named = by_file_name(files, book)
        pictures = {Path(name).stem: path for name, path in named.items()}
        if not pictures:
            raise DataError(f"{self.where}: no picture in it; put <photo_id>.jpg there")
        absent = 0
        for photo, caption in self._captions(files, pictures):
            if photo in pictures:
                book.add(photo, caption)
            else:
                absent += 1
        if absent:
            book.drop(PHOTOS, f"{absent} photos have no picture here")
        return book.listing(pictures, pictures)

    def _captions(
        self, files: dict[str, Path], wanted: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        """Photo ids and what is said of each; keywords only of those that are wanted."""
        if self.caption_source == CaptionSource.keywords:
            yield from self._by_keywords(files, wanted)
            return
        column = COLUMNS[self.caption_source]
        for row in _rows(self.where, files, PHOTOS, (ID, column)):
            yield row[ID], row[column]

    def _by_keywords(
        self, files: dict[str, Path], wanted: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        found: dict[str, list[tuple[float, str]]] = {}
        for row in _rows(self.where, files, KEYWORDS, (ID, "keyword", *CONFIDENCES)):
            if row[ID] not in wanted:
                continue
            sure = max(_number(row[column]) for column in CONFIDENCES)
            found.setdefault(row[ID], []).append((-sure, row["keyword"]))
        for photo, words in found.items():
            yield photo, ", ".join(word for _, word in sorted(words)[: self.max_keywords])


def _rows(
    where: str, files: dict[str, Path], table: str, columns: tuple[str, ...]
) -> Iterator[dict[str, str]]:
    """Rows of a table, which may come in parts, such as photos.tsv000; raises `DataError`."""
    parts = [name for name in files if Path(name).name.startswith(table)]
    if not parts:
        raise DataError(f"{where}: {table} is missing; put it there (unsplash.com/data, Lite)")
    for name in parts:
        reader = csv.DictReader(io.StringIO(read_text(files[name]), newline=""), delimiter="\t")
        lacking = [column for column in columns if column not in (reader.fieldnames or ())]
        if lacking:
            raise DataError(f"{files[name]}: no column {lacking[0]}; get the published table")
        try:
            for row in reader:
                yield {column: row[column] or "" for column in columns}
        except csv.Error as error:
            raise DataError(f"{files[name]}, line {reader.line_num}: {error}") from error


def _number(cell: str) -> float:
    """A confidence; what is none is the least."""
    try:
        return float(cell)
    except ValueError:
        return 0.0

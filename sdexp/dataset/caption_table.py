"""Pictures and a table of their captions, as Flickr30k and Flickr8k go round."""

import posixpath
from dataclasses import dataclass
from pathlib import Path

from sdexp.dataset.captions import CaptionBook, Listing, printable, read_text
from sdexp.dataset.file_dataset import AbstractFileDataset
from sdexp.dataset.folder import by_file_name, check_folder, pictures_in, scan
from sdexp.dataset.lists import FAMILIES, homes_of, with_homes, without_unrelated
from sdexp.dataset.tables import read_captions
from sdexp.ground.checks import one_of
from sdexp.ground.errors import DataError
from sdexp.ground.files import require_path

HASH = "hash"


@dataclass(frozen=True)
class CaptionTable(AbstractFileDataset):
    """Pictures in `data_dir` or any folder below it, found by the file names of a table.

    `captions_files` are the names that the table may have; the one that lies highest counts.
    `split_family` is `hash`, or whose published lists cut the splits: `entities` and `karpathy` for
    Flickr30k (Plummer et al. 2015; Karpathy and Li 2015), `flickr8k` for the 6000/1091/1000 that go
    round under that name. A picture that such lists do not name is left out, and counted; so are
    the captions that the authors of `entities` list as unrelated to their pictures.
    """

    data_dir: str
    captions_files: list[str]
    split_family: str
    val_fraction: float
    test_fraction: float
    max_dropped_fraction: float

    def __post_init__(self) -> None:
        require_path("dataset.data_dir", self.data_dir, f"the folder with {self._content}")
        one_of("dataset", (HASH, *FAMILIES), split_family=self.split_family)
        assert self.rules

    @property
    def _content(self) -> str:
        return f"the pictures and {' or '.join(self.captions_files)}"

    def listing(self) -> Listing:
        """The captioned pictures; raises `DataError` without a table or pictures."""
        book = CaptionBook()
        files = scan(check_folder(self.data_dir, self._content), book)
        tables = [name for name in files if posixpath.basename(name) in self.captions_files]
        if not tables:
            raise DataError(
                f"{self.where}: no {' or '.join(self.captions_files)} in it; put it there"
            )
        if not pictures_in(files):
            raise DataError(f"{self.where}: no picture in it; put the pictures there")
        table = min(tables, key=lambda name: (name.count("/"), name))
        read_captions(printable(table), read_text(files[table]), book)
        pictures = _named(files, table, book)
        listing = book.listing(pictures, pictures)
        if self.split_family == HASH:
            return listing
        homed = with_homes(listing, homes_of(self.split_family), self.split_family)
        return without_unrelated(homed, self.split_family)


def _named(files: dict[str, Path], table: str, book: CaptionBook) -> dict[str, Path]:
    """Pictures as the table names them: by paths from its folder where it does, or file names."""
    folder = posixpath.dirname(table)
    paths = {posixpath.relpath(name, folder or "."): files[name] for name in pictures_in(files)}
    by_path = any("/" in name and book.has(name) for name in paths)
    return paths if by_path else by_file_name(files, book)

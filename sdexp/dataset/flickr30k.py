"""Flickr30k as Kaggle packs it: a folder of pictures and results.csv (Young et al. 2014)."""

import re
from dataclasses import dataclass
from pathlib import Path

from sdexp.dataset.base import AbstractDataset, OpenDataset
from sdexp.dataset.captions import CaptionBook, Listing, read_text
from sdexp.dataset.imagefolder import check_folder
from sdexp.dataset.splits import check_fractions, check_listing
from sdexp.ground.errors import DataError
from sdexp.ground.files import require_path

CAPTIONS = "results.csv"
PICTURES = "flickr30k_images"

_BROKEN_ROW = re.compile(r"\s*(\d+)\s+(.*)", re.DOTALL)


@dataclass(frozen=True)
class Flickr30k(AbstractDataset):
    """31,783 photos with five captions each, in `data_dir`.

    Split by hash of the file name; the published lists of splits come later.
    """

    data_dir: str
    val_fraction: float = 0.1
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        content = f"the folder that holds {CAPTIONS} and {PICTURES}"
        require_path("dataset.data_dir", self.data_dir, content)
        check_fractions(self.val_fraction, self.test_fraction)

    def check(self) -> None:
        """Also counts the captioned files, so that too few are told before anything is decoded."""
        listing = list_flickr(*self._paths())
        check_listing(self._where, listing, self.val_fraction, self.test_fraction)

    def open(self, split: str) -> OpenDataset:
        from sdexp.dataset.files import open_split

        listing = list_flickr(*self._paths())
        return open_split(self._where, listing, split, self.val_fraction, self.test_fraction)

    @property
    def _where(self) -> str:
        return f"dataset.data_dir={self.data_dir}"

    def _paths(self) -> tuple[Path, Path]:
        """results.csv and the picture folder, also where an archive nests them once more."""
        root = check_folder(self.data_dir, f"{CAPTIONS} and the {PICTURES} folder")
        folders = [root, root / PICTURES, root / PICTURES / PICTURES]
        tables = [folder / CAPTIONS for folder in folders if (folder / CAPTIONS).is_file()]
        if not tables:
            raise DataError(f"{self._where}: {CAPTIONS} is missing; put it there")
        pictures = [folder for folder in reversed(folders) if any(folder.glob("*.jpg"))]
        if not pictures:
            raise DataError(
                f"{self._where}: no .jpg in it; put the {PICTURES} folder there, "
                f"as {Path(self.data_dir, PICTURES)}"
            )
        return tables[0], pictures[0]


def list_flickr(table: Path, folder: Path) -> Listing:
    """The captioned pictures of `folder`; raises `DataError` when `table` is no UTF-8 text."""
    book = CaptionBook()
    for number, line in enumerate(read_text(table).split("\n"), start=1):
        if line.strip() and not (number == 1 and line.startswith("image_name")):
            _read_row(f"{CAPTIONS}:{number}", line.strip(), book)
    files = {path.name: path for path in sorted(folder.glob("*.jpg"))}
    return book.listing(files, files)


def _read_row(where: str, line: str, book: CaptionBook) -> None:
    """One line `name| number| caption`; the captions hold quotes that quote nothing."""
    name, *rest = line.split("|", 2)
    broken = _BROKEN_ROW.fullmatch(rest[0]) if len(rest) == 1 else None
    if broken is not None:
        book.repair(where, "the second delimiter was missing")
        book.add(name.strip(), broken[2])
    elif len(rest) == 2:
        book.add(name.strip(), rest[1])
    else:
        book.drop(where, "the line is not 'image_name| comment_number| comment'")

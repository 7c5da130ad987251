"""Captioned pictures of a set on the Hub, or of a folder of parquet files."""

import re
from dataclasses import dataclass
from pathlib import Path

from sdexp.dataset.base import AbstractDataset, Finding, Kept, OpenDataset
from sdexp.dataset.extraction import check_same, extract, is_whole, left_out
from sdexp.dataset.imagefolder import ImageFolder
from sdexp.dataset.published import Published
from sdexp.dataset.selection import Selection
from sdexp.ground.files import require_path

UNKNOWN_SPLIT = "a split of the set that is neither train, validation nor test"


@dataclass(frozen=True)
class Hub(AbstractDataset):
    """Rows of `path`, whose pictures are laid out once in a folder of their own below `data_dir`.

    Captions are those of `caption_column`, one or a list of them, or `caption_template` with the
    words of columns, labels by name. `where` takes only rows with these values (null: any), in the
    order of the set and no more than `max_pictures` of a split. Splits that the set has are kept;
    those that it lacks are cut from train by hash.
    """

    path: str
    revision: str | None
    config_name: str | None
    data_dir: str
    image_column: str
    caption_column: str | None
    caption_template: str | None
    where: dict[str, str | None]
    max_pictures: int | None
    val_fraction: float
    test_fraction: float
    max_dropped_fraction: float

    def __post_init__(self) -> None:
        require_path("dataset.path", self.path, "a Hub id (owner/name), or a folder of parquet")
        require_path("dataset.data_dir", self.data_dir, "the folder that the pictures are put in")
        assert self._selection
        assert self._pictures

    @property
    def _selection(self) -> Selection:
        local = Path(self.path).expanduser()
        return Selection(
            # Named in any way, it is one folder.
            path=str(local.resolve()) if local.is_dir() else self.path,
            revision=self.revision,
            config_name=self.config_name,
            image_column=self.image_column,
            caption_column=self.caption_column,
            caption_template=self.caption_template,
            where={column: value for column, value in self.where.items() if value is not None},
            max_pictures=self.max_pictures,
        )

    @property
    def folder(self) -> Path:
        """Where the pictures of this selection lie, or will lie."""
        selection = self._selection
        words = [Path(self.path).name, *selection.where.values()]
        slug = re.sub(r"[^0-9A-Za-z]+", "-", "-".join(words)).strip("-")
        return Path(self.data_dir).expanduser() / f"{slug}_{selection.digest}"

    @property
    def _pictures(self) -> ImageFolder:
        return ImageFolder(
            data_dir=str(self.folder),
            val_fraction=self.val_fraction,
            test_fraction=self.test_fraction,
            max_dropped_fraction=self.max_dropped_fraction,
        )

    def check(self) -> None:
        """Also asks a set that is not laid out yet for its columns and labels."""
        published = Published(self._selection)
        if is_whole(self.folder):
            check_same(published, self.folder)
            self._pictures.check()
        else:
            published.check()

    def fetch(self) -> list[str]:
        there = is_whole(self.folder)
        if not there:
            extract(Published(self._selection), self.folder)
        told = [f"{self.path}: {'was there' if there else 'laid out'} in {self.folder}"]
        rest = left_out(self.folder)
        return [*told, f"left out: {', '.join(rest)} ({UNKNOWN_SPLIT})"] if rest else told

    def folders(self) -> list[Path]:
        return [Path(self.data_dir).expanduser(), Path(self.path).expanduser()]

    def open(self, split: str, kept: Kept | None = None) -> OpenDataset:
        """Lays the pictures out, the first time."""
        self.fetch()
        data = self._pictures.open(split, kept)
        if split == "train":
            rest = [Finding(name, UNKNOWN_SPLIT, "row") for name in left_out(self.folder)]
            data.findings.dropped.extend(rest)
        return data

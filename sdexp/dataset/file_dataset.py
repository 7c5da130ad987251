"""A data set whose pictures are files in a folder that a person names."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from sdexp.dataset.base import AbstractDataset, Kept, OpenDataset
from sdexp.dataset.captions import Listing
from sdexp.dataset.splits import SplitRules, check_listing


class AbstractFileDataset(AbstractDataset):
    """What is the same for every layout of files.

    It has no fields of its own: those that it names stand among the others of each layout.
    """

    data_dir: str
    val_fraction: float
    test_fraction: float
    max_dropped_fraction: float

    @abstractmethod
    def listing(self) -> Listing:
        """Every captioned picture file; raises `DataError` for captions that cannot be read."""

    @property
    def rules(self) -> SplitRules:
        """Raises `ValueError` for shares that leave nothing to train on."""
        return SplitRules(self.val_fraction, self.test_fraction, self.max_dropped_fraction)

    @property
    def where(self) -> str:
        """The key that names the folder, with its value."""
        return f"dataset.data_dir={self.data_dir}"

    def folders(self) -> list[Path]:
        return [Path(self.data_dir).expanduser()]

    def check(self) -> None:
        """Also counts the captioned files, so that too few are told before anything is decoded."""
        check_listing(self.where, self.listing(), self.rules)

    def open(self, split: str, kept: Kept | None = None) -> OpenDataset:
        from sdexp.dataset.files import open_split

        return open_split(self.where, self.listing(), split, self.rules, kept)

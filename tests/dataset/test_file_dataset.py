"""What every layout of files shares, seen with the smallest of them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from sdexp.dataset.base import SPLITS
from sdexp.dataset.captions import Entry, Listing
from sdexp.dataset.file_dataset import AbstractFileDataset
from sdexp.ground.errors import DataError
from tests.dataset.hubs import png


@dataclass(frozen=True)
class Bare(AbstractFileDataset):
    """Pictures named by their captions."""

    data_dir: str
    val_fraction: float = 0.2
    test_fraction: float = 0.2
    max_dropped_fraction: float = 0.0

    def listing(self) -> Listing:
        files = sorted(Path(self.data_dir).iterdir())
        return Listing([Entry(file.name, file, (file.stem,)) for file in files])


def test_a_listing_is_checked_cut_and_opened(tmp_path: Path) -> None:
    for k in range(10):
        (tmp_path / f"{k}.png").write_bytes(png((k, 0, 0)))
    made = Bare(str(tmp_path))
    made.check()
    opened = [made.open(split) for split in SPLITS]
    assert [len(data) for data in opened] == [6, 2, 2]
    captions = {data.captions(k) for data in opened for k in range(len(data))}
    assert captions == {(f"{k}",) for k in range(10)}
    assert made.folders() == [tmp_path]


def test_too_few_are_told_by_the_key(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png((0, 0, 0)))
    with pytest.raises(DataError, match=f"^dataset.data_dir={tmp_path}: only 1 picture"):
        Bare(str(tmp_path)).check()

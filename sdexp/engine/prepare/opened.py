"""The splits of a data set with every picture looked at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations, islice

from sdexp.dataset.base import SPLITS, AbstractDataset, OpenDataset
from sdexp.dataset.words import open_samples
from sdexp.engine.prepare.doubts import Captioned
from sdexp.engine.prepare.twins import Look, look, near_pairs
from sdexp.ground.interrupt import check_interrupt
from sdexp.ground.progress import Progress

# Pictures that may wait in memory.
CHUNK = 64


@dataclass(frozen=True)
class Opened:
    """A split, the first sample of each of its pictures, and how these look."""

    name: str
    data: OpenDataset
    places: list[int]
    looks: list[Look]

    def captioned(self) -> Iterator[Captioned]:
        """Each caption of each picture once, however many samples it has."""
        pairs = {
            (self.data.picture_id(k), caption): None
            for k in range(len(self.data))
            for caption in self.data.captions(k)
        }
        for picture_id, caption in pairs:
            yield Captioned(self.name, picture_id, caption)


@dataclass(frozen=True)
class Pair:
    """Two pictures of different splits, each by its place there, that look the same."""

    first: tuple[Opened, int]
    second: tuple[Opened, int]
    difference: float


def open_all(dataset: AbstractDataset) -> list[Opened]:
    """Every split, all pictures decoded with all cores."""
    datas = {split: open_samples(dataset, split) for split in SPLITS}
    places = {split: first_samples(data) for split, data in datas.items()}
    progress = Progress(
        "looking at pictures", sum(map(len, places.values())), 0, True, unit="picture"
    )
    opened = []
    for split, data in datas.items():
        looks = list(_looks(data, places[split], progress))
        opened.append(Opened(split, data, places[split], looks))
    progress.close()
    return opened


def first_samples(data: OpenDataset) -> list[int]:
    """The place of a sample of each picture, of which there may be several."""
    first: dict[str, int] = {}
    for index in range(len(data)):
        first.setdefault(data.picture_id(index), index)
    return list(first.values())


def _looks(data: OpenDataset, places: list[int], progress: Progress) -> Iterator[Look]:
    def seen(index: int) -> Look:
        return look(data[index].image)

    waiting = iter(places)
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(waiting, CHUNK)):
            check_interrupt()
            for one in pool.map(seen, chunk):
                progress.advance("")
                yield one


def twins(opened: list[Opened]) -> list[Pair]:
    """Pictures that two splits share, the most alike first."""
    found = [
        Pair((one, one.places[row]), (other, other.places[column]), difference)
        for one, other in combinations(opened, 2)
        for row, column, difference in near_pairs(one.looks, other.looks)
    ]
    return sorted(found, key=lambda pair: pair.difference)

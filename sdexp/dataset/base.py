"""What a data set is: captioned pictures, split by picture, with stable ids."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sdexp.ground.types import Findings, Sample

SPLITS = ("train", "val", "test")


class OpenDataset(ABC):
    """One split, map-style and picklable; `findings` says what was dropped or repaired."""

    findings: Findings

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample: ...

    @abstractmethod
    def sample_id(self, index: int) -> str:
        """The id without reading the picture."""

    @abstractmethod
    def captions(self, index: int) -> tuple[str, ...]:
        """The captions without reading the picture."""

    @abstractmethod
    def manifest(self) -> str:
        """sha256 over ids, captions and picture contents of the split."""


@dataclass(frozen=True)
class AbstractDataset(ABC):
    """Recipe of a data set."""

    @abstractmethod
    def check(self) -> None:
        """Raise `DataError` when files that the recipe names are missing; reads no picture."""

    @abstractmethod
    def open(self, split: str) -> OpenDataset:
        """Open "train", "val" or "test"; raises `DataError` when no picture is left."""

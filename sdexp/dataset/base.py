"""What a data set is: captioned pictures, split by picture, with stable ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from PIL.Image import Image

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One picture of a data set: upright RGB of any size, and at least one caption."""

    sample_id: str
    image: Image
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One file or row that a data set dropped or repaired, and why."""

    item: str
    reason: str


@dataclass
class Findings:
    """What a data set dropped and what it repaired, in the order of reading."""

    dropped: list[Finding] = field(default_factory=list)
    repaired: list[Finding] = field(default_factory=list)


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
    """Recipe of a data set; `is_embedded` for the one of the embedded world."""

    is_embedded: ClassVar[bool] = False

    @abstractmethod
    def check(self) -> None:
        """Raise `DataError` when files that the recipe names are missing; reads no picture."""

    @abstractmethod
    def open(self, split: str) -> OpenDataset:
        """Open "train", "val" or "test"; raises `DataError` when no picture is left."""

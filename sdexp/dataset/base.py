"""What a data set is: captioned pictures, split by picture, with stable ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from sdexp.ground.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image

SPLITS = ("train", "val", "test")

# Split by sample id, as a run cut it.
Kept = Mapping[str, str]


class SampleUnit(StrEnum):
    """What an epoch sees once: a picture with one of its captions, or every caption."""

    image = "image"
    caption = "caption"


@dataclass(frozen=True)
class Sample:
    """One picture of a data set: upright RGB of any size, and at least one caption."""

    sample_id: str
    image: Image
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One picture, or one row of captions, that a data set dropped or repaired, and why."""

    item: str
    reason: str
    unit: Literal["picture", "row"] = "picture"


@dataclass
class Findings:
    """What a data set dropped and what it repaired, in the order of reading."""

    dropped: list[Finding] = field(default_factory=list)
    repaired: list[Finding] = field(default_factory=list)

    @property
    def lost(self) -> list[Finding]:
        """The pictures among what was dropped."""
        return [finding for finding in self.dropped if finding.unit == "picture"]


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

    def picture_id(self, index: int) -> str:
        """The id of its picture, which several samples may share."""
        return self.sample_id(index)

    @abstractmethod
    def captions(self, index: int) -> tuple[str, ...]:
        """The captions without reading the picture."""

    @abstractmethod
    def size(self, index: int) -> tuple[int, int]:
        """Width and height of the upright picture, without reading it."""

    @abstractmethod
    def manifest(self) -> str:
        """sha256 over ids, captions and picture contents of the split."""


@dataclass(frozen=True)
class Uncaptioned:
    """Pictures without a caption, and what writes one beside a picture."""

    pictures: list[Path]
    add: Callable[[Path, str], None]


@dataclass(frozen=True)
class AbstractDataset(ABC):
    """Recipe of a data set; `is_embedded` for the one of the embedded world.

    `caption_prefix` and `caption_suffix` are put around every caption as they are, and before that
    `trigger` in front of one that lacks the word; what is evaluated has them too. `sample_unit` is
    what an epoch of training sees once.
    """

    is_embedded: ClassVar[bool] = False

    _: KW_ONLY
    sample_unit: SampleUnit = SampleUnit.image
    trigger: str = ""
    caption_prefix: str = ""
    caption_suffix: str = ""

    @abstractmethod
    def check(self) -> None:
        """Raise `DataError` when files that the recipe names are missing; reads no picture."""

    def check_source(self) -> None:
        """Raise `DataError` where `fetch` could not begin."""
        self.check()

    def fetch(self) -> list[str]:
        """Get what is not on this machine yet; what was done, one line each.

        What is there already is left alone, so that the same call goes on after a kill.
        """
        return []

    def folders(self) -> list[Path]:
        """Folders that it reads or writes, where nothing else may be written."""
        return []

    def uncaptioned(self) -> Uncaptioned:
        """Pictures without a caption; raises `ConfigError` where none can be added."""
        raise ConfigError(
            "captioner: these captions come with the data set; choose dataset=imagefolder"
        )

    @abstractmethod
    def open(self, split: str, kept: Kept | None = None) -> OpenDataset:
        """Open "train", "val" or "test" with its captions as they are found.

        kept: the splits of a run; pictures that it does not name belong to none of them. Raises
        `DataError` when no picture is left.
        """

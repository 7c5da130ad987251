"""What a tracker is: a place that a run is shipped to, by a process of its own beside the run."""

from __future__ import annotations

import math
import sys
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from sdexp.ground.records import Shipped
    from sdexp.ground.run import RunFolder


@dataclass
class Ending:
    """Whether the command that is followed has ended, whether badly, and how long it waits for us.

    deadline: of `time.monotonic`.
    """

    came: threading.Event = field(default_factory=threading.Event)
    failed: bool = False
    deadline: float = math.inf

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Followed:
    """What a tracker follows: a folder, its configuration, "train" or "sweep", and its end."""

    run: RunFolder
    config: dict[str, Any]
    job_type: str
    ending: Ending


class ActiveTracker(ABC):
    """A tracker at work; whatever a method raises ends it, with one warning.

    folder: where it keeps its own files in the run folder.
    """

    folder: Path

    @abstractmethod
    def open(self, shipped: Shipped) -> tuple[Shipped, str]:
        """Reach the place, which should hold `shipped`.

        Returns what it does hold, and what a person must know, or nothing.
        """

    @abstractmethod
    def rewind(self, step: int) -> bool:
        """Forget the steps from `step` on, which are told again; False where that cannot be."""

    @abstractmethod
    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name, such as "train/loss", after an optimizer step."""

    @abstractmethod
    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Captioned pictures."""

    @abstractmethod
    def log_table(self, name: str, columns: list[str], rows: list[list[Any]], step: int) -> None:
        """A table; a cell may be a number, a text or a PIL picture."""

    @abstractmethod
    def log_words(self, words: dict[str, str], step: int) -> None:
        """What an evaluation came to in words, by name, such as "evaluation/verdict"."""

    @abstractmethod
    def log_page(self, name: str, page: Path, step: int) -> None:
        """A page that needs nothing outside itself."""

    @abstractmethod
    def flush(self) -> bool:
        """Whether everything told so far is safe, also when this process is killed now."""

    @abstractmethod
    def close(self, failed: bool) -> None:
        """Make everything safe; `failed` when the command ended with an error."""


@dataclass(frozen=True)
class AbstractTracker(ABC):
    """Recipe of a tracker."""

    @abstractmethod
    def start(self, followed: Followed) -> ActiveTracker | None:
        """The tracker, its library loaded but nothing opened; None when it is switched off."""


def first_line(error: BaseException) -> str:
    """What an error says, without its details."""
    return (str(error) or type(error).__name__).splitlines()[0]


def warn(name: str, what: str, lost_by: RunFolder | None = None) -> None:
    """One line about a tracker, and what it means for a run that has lost it."""
    if lost_by is not None:
        place = lost_by.path if lost_by.told.is_file() else lost_by.log
        what += (
            f"; the run goes on without it, all numbers are in {place}; the next command on it "
            "ships what is missing"
        )
    print(f"warning: {name}: {what}", file=sys.stderr, flush=True)

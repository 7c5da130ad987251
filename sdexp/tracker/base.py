"""What a tracker is: a place that a run tells its numbers and pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdexp.ground.run import RunFolder


class TrackerFault(Exception):
    """A tracker cannot start or go on; says why in one line."""


class ActiveTracker(ABC):
    """A tracker at work, in the main process only; every method may raise `TrackerFault`.

    `sdexp.tracker.background` calls all but `hurry` and `abandon` from one thread, and nothing
    but `abandon` after a fault.
    """

    @abstractmethod
    def prepare(self) -> None:
        """Load what `connect` needs; waits for nobody outside this machine."""

    @abstractmethod
    def connect(self) -> str:
        """Reach the place that keeps the numbers; returns what a person must know, or nothing."""

    @abstractmethod
    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name, such as "train/loss", at an optimizer step."""

    @abstractmethod
    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Captioned pictures."""

    @abstractmethod
    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """A table; a cell may be a number, a text or a PIL picture."""

    @abstractmethod
    def close(self, failed: bool) -> None:
        """Flush and let go; `failed` when an error ends the run."""

    @abstractmethod
    def hurry(self) -> None:
        """Have a `connect` under way do without its server; from another thread, no waiting."""

    @abstractmethod
    def abandon(self) -> None:
        """End what would keep the process alive; from any thread, at any time, without waiting."""


@dataclass(frozen=True)
class AbstractTracker(ABC):
    """Recipe of a tracker."""

    @abstractmethod
    def start(
        self, run: RunFolder, config: dict[str, Any], job_type: str, is_cut_off: bool
    ) -> ActiveTracker:
        """The tracker of a run, not yet connected; `job_type` is "train", "evaluate" or "sweep".

        `is_cut_off` when its server failed the same command before.
        """

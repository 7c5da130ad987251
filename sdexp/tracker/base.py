"""What a tracker is: a place that a run tells its numbers and pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdexp.ground.run import RunFolder


class ActiveTracker(ABC):
    """A tracker at work; lives in the main process only and never stops a run."""

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
    def close(self) -> None:
        """Flush and let go."""


@dataclass(frozen=True)
class AbstractTracker(ABC):
    """Recipe of a tracker."""

    @abstractmethod
    def start(self, run: RunFolder, config: dict[str, Any], job_type: str) -> ActiveTracker:
        """Open the tracker for a run; `job_type` is "train" or "evaluate"."""

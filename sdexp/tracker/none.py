"""No tracker: the run folder alone keeps the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.tracker.base import AbstractTracker, ActiveTracker

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdexp.ground.run import RunFolder


class Silence(ActiveTracker):
    """Hears everything and keeps nothing."""

    def log(self, values: dict[str, float], step: int) -> None:
        """Nothing."""

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Nothing."""

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class NoTracker(AbstractTracker):
    """Tells nobody."""

    def start(self, run: RunFolder, config: dict[str, Any], job_type: str) -> ActiveTracker:
        """A tracker that does nothing."""
        return Silence()

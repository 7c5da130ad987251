"""A tracker that tells nobody, for one that is switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdexp.tracker.base import ActiveTracker

if TYPE_CHECKING:
    from PIL.Image import Image


class Silence(ActiveTracker):
    """Hears everything and keeps nothing."""

    def prepare(self) -> None:
        """Nothing."""

    def connect(self) -> str:
        """Nothing."""
        return ""

    def log(self, values: dict[str, float], step: int) -> None:
        """Nothing."""

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Nothing."""

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Nothing."""

    def close(self, failed: bool) -> None:
        """Nothing."""

    def hurry(self) -> None:
        """Nothing."""

    def abandon(self) -> None:
        """Nothing."""

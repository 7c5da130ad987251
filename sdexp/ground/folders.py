"""Three folders of pictures in place of a run."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdexp.ground.checks import at_least
from sdexp.ground.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


class Fit(StrEnum):
    """How a picture becomes a square."""

    crop = "crop"
    squash = "squash"


@dataclass
class FoldersConfig:
    """Folders whose pictures are paired by their names; `resolution`: pixels of the squares."""

    original: str | None
    finetuned: str | None
    reference: str | None
    resolution: int
    fit: Fit

    def __post_init__(self) -> None:
        at_least("pictures", 1, resolution=self.resolution)

    @property
    def named(self) -> dict[str, str]:
        """Those that were named, by whose pictures they hold."""
        found = {
            "original": self.original,
            "finetuned": self.finetuned,
            "reference": self.reference,
        }
        return {side: path for side, path in found.items() if path is not None}

    @property
    def words(self) -> str:
        """What was done to every picture."""
        done = "squashed" if self.fit == Fit.squash else "scaled and cropped at the centre"
        return f"{done} to {self.resolution} pixels, bilinear with antialiasing"


def picture_files(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their names without the suffix, in order.

    Raises `DataError` for two of one name: which of them is meant cannot be known.
    """
    found: dict[str, Path] = {}
    for file in sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES):
        if file.stem in found:
            raise DataError(
                f"{folder}: {found[file.stem].name} and {file.name} have one name; pictures are "
                "paired by it: leave one out or rename it"
            )
        found[file.stem] = file
    return found

"""What a request needs of pictures, and what is made of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdexp.ground.picture_requests import Variant


@dataclass(frozen=True)
class Wanted:
    """A picture that every variant makes."""

    prompt: str
    seed: int


class AbstractLayout(ABC):
    """The pictures of a request and the sheets that show them, in a folder."""

    folder: Path
    variants: Sequence[Variant]
    wanted: Sequence[Wanted]

    @abstractmethod
    def file(self, variant: Variant, place: int) -> Path:
        """Where a variant's picture of `wanted[place]` lies."""

    @abstractmethod
    def finish(self) -> list[str]:
        """Write the sheets once all pictures are there; what there is to see, one line each."""

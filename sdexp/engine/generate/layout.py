"""What a request needs of pictures, and what is made of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdexp.ground.picture_requests import Variant
from sdexp.ground.sampling import OWN_NOISE


@dataclass(frozen=True)
class Wanted:
    """A picture that every variant makes; noise: the key of its stream behind the seed."""

    prompt: str
    seed: int
    noise: tuple[str, int] = OWN_NOISE

    @property
    def noise_key(self) -> tuple[str | int, ...]:
        """As a recipe tells it: only the seed, where that is all there is."""
        return (self.seed,) if self.noise == OWN_NOISE else (self.seed, *self.noise)


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

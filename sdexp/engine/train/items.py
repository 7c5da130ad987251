"""A sample as the training loop sees it."""

from dataclasses import dataclass

from torch import Tensor

from sdexp.model.base import Moments


@dataclass(frozen=True)
class Encoded:
    """A picture's key in the store, and its moments when they are there already."""

    key: str
    moments: Moments | None


@dataclass(frozen=True)
class Item:
    """One prepared sample; pixels: uint8 [3, R, R], None when its moments are known."""

    epoch: int
    sample_id: str
    caption: str
    pixels: Tensor | None
    encoded: Encoded | None

"""A sample as the training loop sees it."""

from dataclasses import dataclass

from torch import Tensor

from sdexp.model.base import Framing, Moments


@dataclass(frozen=True)
class Encoded:
    """A picture's key in the store, and its moments when they are there already."""

    key: str
    moments: Moments | None


@dataclass(frozen=True)
class View:
    """What is known of a sample's square.

    pixels: uint8 [3, R, R], None when its moments are known; encoded: None without a cache.
    """

    framing: Framing
    pixels: Tensor | None
    encoded: Encoded | None


@dataclass(frozen=True)
class Item:
    """One prepared sample."""

    epoch: int
    sample_id: str
    picture_id: str
    caption: str
    view: View

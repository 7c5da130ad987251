"""Pictures of different splits that look the same, in another size or compression too.

Candidates share most bits of a perceptual hash: signs of the low frequencies of a discrete cosine
transform of the grey picture (Zauner 2010, section 3.2.1). What counts is then the mean difference
of both in small, as a share of the first one's contrast.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

HASHED_SIDE = 32
LOW = 8
SMALL_SIDE = 16
# Photos saved at a third of their size with JPEG quality 40 differ by 4 of 64 bits and 0.05 at
# most, different photos by 16 bits and 0.5 at least.
MOST_BITS = 10
MOST_DIFFERENCE = 0.1
# Below this contrast in levels of 255 a picture is a plain area.
LEAST_CONTRAST = 4.0
ROWS = 512


@dataclass(frozen=True)
class Look:
    """A picture in small: uint8 [16, 16, 3], and its hash."""

    small: np.ndarray
    hash: int


def look(image: Image.Image) -> Look:
    """What of an RGB picture is compared."""
    small = image.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BOX)
    grey = image.convert("L").resize((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BOX)
    return Look(np.asarray(small), _hash(np.asarray(grey)))


def _hash(grey: np.ndarray) -> int:
    from scipy.fft import dctn

    low = dctn(grey.astype(np.float64), norm="ortho")[:LOW, :LOW].reshape(-1)
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def near_pairs(first: Sequence[Look], second: Sequence[Look]) -> Iterator[tuple[int, int, float]]:
    """Places in both, in their order, and the difference as a share of the first's contrast."""
    columns = np.array([one.hash for one in second], np.uint64)
    for start in range(0, len(first), ROWS):
        rows = np.array([one.hash for one in first[start : start + ROWS]], np.uint64)
        close = np.bitwise_count(rows[:, None] ^ columns[None]) <= MOST_BITS
        for row, column in np.argwhere(close).tolist():
            difference = _difference(first[start + row].small, second[column].small)
            if difference <= MOST_DIFFERENCE:
                yield start + row, column, difference


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    levels = np.abs(one.astype(np.float64) - other).mean()
    return float(levels / max(float(one.std()), LEAST_CONTRAST))

"""Randomness as streams: every random value is a function of its key, never of what ran before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def stream_seed(seed: int, name: str, *key: object) -> int:
    """63 bits from sha256 of the seed, the stream's name and the key."""
    text = "\n".join(("sdexp stream", str(seed), name, *map(str, key)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, name: str, *key: object) -> torch.Generator:
    """A CPU generator for (seed, name, key): the same on every machine and in every order."""
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, name, *key))


def array_stream(seed: int, name: str, *key: object) -> np.random.Generator:
    """The same for numpy."""
    import numpy as np

    return np.random.default_rng(stream_seed(seed, name, *key))

"""What frozen text encoders say, kept by the token ids that they said it of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Outputs: TypeAlias = tuple[Tensor, ...]


class TextMemory:
    """Outputs for each text, up to `limit` bytes altogether: the first ones stay.

    Texts are encoded one at a time, so that what was kept before changes no bit.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.encoded = 0
        self._kept: dict[tuple[bytes, torch.dtype], Outputs] = {}

    def __call__(self, ids: Tensor, encode: Callable[[Tensor], Outputs]) -> Outputs:
        """Outputs [B, ...] for token ids [B, encoders, L]; `encode` gives them for [1, ...]."""
        rows = [self._of(row[None], encode) for row in ids]
        return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))

    def _of(self, ids: Tensor, encode: Callable[[Tensor], Outputs]) -> Outputs:
        device = ids.device.type
        mixed = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if mixed else torch.float32
        key = (ids.cpu().numpy().tobytes(), dtype)
        if key in self._kept:
            return self._kept[key]
        self.encoded += 1
        outputs = tuple(output.detach() for output in encode(ids))
        size = sum(output.nbytes for output in outputs)
        if self.used + size <= self.limit:
            self.used += size
            self._kept[key] = outputs
        return outputs

"""Files of weights with one thing wrong, as people have them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]
DTYPES = (torch.float16, torch.bfloat16, torch.int8, torch.float8_e4m3fn, torch.float64)
NO_WEIGHTS = (
    b"\r\n",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    b"<!DOCTYPE html><html><body>not found</body></html>",
    b"PK\x03\x04 and a zip",
)


class Mutations:
    """Writes variants of a file, each made of the whole one."""

    def __init__(self, file: Path, seed: int = 0) -> None:
        self.file = file
        self.whole = file.read_bytes()
        self.tensors = load_file(file)
        self.draw = np.random.default_rng(seed)
        self.kinds: list[Callable[[str], None]] = [
            self._cut_off, self._one_byte, self._renamed, self._other_type, self._infinite,
            self._lacking, self._no_weights, self._narrow, self._zero,
        ]  # fmt: skip

    def write(self, number: int) -> None:
        """The variant of that number; every kind comes in turn."""
        keys = sorted(self.tensors)
        self.kinds[number % len(self.kinds)](keys[self.draw.integers(len(keys))])

    def _save(self, tensors: Tensors) -> None:
        save_file(tensors, self.file)

    def _cut_off(self, key: str) -> None:
        self.file.write_bytes(self.whole[: self.draw.integers(len(self.whole))])

    def _one_byte(self, key: str) -> None:
        content = bytearray(self.whole)
        content[self.draw.integers(min(3000, len(content)))] ^= int(self.draw.integers(1, 256))
        self.file.write_bytes(bytes(content))

    def _renamed(self, key: str) -> None:
        cut = self.draw.integers(len(key))
        name = key[:cut] + "x" + key[self.draw.integers(len(key)) :]
        self._save({(name if k == key else k): t for k, t in self.tensors.items()})

    def _other_type(self, key: str) -> None:
        to = DTYPES[self.draw.integers(len(DTYPES))]
        self._save({k: t.to(to) for k, t in self.tensors.items()})

    def _infinite(self, key: str) -> None:
        value = ("inf", "nan")[self.draw.integers(2)]
        self._save(self.tensors | {key: torch.full_like(self.tensors[key], float(value))})

    def _lacking(self, key: str) -> None:
        self._save({k: t for k, t in self.tensors.items() if k != key})

    def _no_weights(self, key: str) -> None:
        self.file.write_bytes(NO_WEIGHTS[self.draw.integers(len(NO_WEIGHTS))])

    def _narrow(self, key: str) -> None:
        self._save(self.tensors | {key: self.tensors[key].flatten()[1:].clone()})

    def _zero(self, key: str) -> None:
        """One tensor, which is as good as any other numbers."""
        self._save(self.tensors | {key: torch.zeros_like(self.tensors[key])})

"""The store: immutable entries keyed by their content, shared by all runs.

An entry is a sha256 followed by the safetensors bytes that it belongs to. It is written under a
temporary name and renamed, so that two runs may fill the store at once; every read verifies it,
which is why writing needs no fsync.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from sdexp.ground.run import write_bytes


def default_root() -> Path:
    """`SDEXP_STORE`, or the user's cache folder."""
    if "SDEXP_STORE" in os.environ:
        return Path(os.environ["SDEXP_STORE"])
    home = os.environ["XDG_CACHE_HOME"] if "XDG_CACHE_HOME" in os.environ else "~/.cache"
    return Path(home).expanduser() / "sdexp" / "store"


def digest(*parts: str | bytes) -> str:
    """sha256 of the parts, each preceded by its length so that no two lists collide."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big"))
        total.update(data)
    return total.hexdigest()


class Store:
    """Arrays by kind and key below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: str, key: str) -> Path:
        return self.root / kind / key[:2] / f"{key}.bin"

    def get(self, kind: str, key: str) -> dict[str, np.ndarray] | None:
        """The arrays of an entry; None when there is none or its bytes are damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.path(kind, key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            arrays = load(data[32:])
        except SafetensorError:
            arrays = None
        if arrays is None or hashlib.sha256(data[32:]).digest() != data[:32]:
            path.unlink(missing_ok=True)
            return None
        return arrays

    def put(self, kind: str, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Write an entry, whole or not at all."""
        from safetensors.numpy import save

        data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        write_bytes(self.path(kind, key), hashlib.sha256(data).digest() + data, sync=False)

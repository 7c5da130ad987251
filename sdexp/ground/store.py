"""The store: immutable entries keyed by their content, shared by all runs.

An entry is a sha256 followed by the safetensors bytes that it belongs to. It is written under a
temporary name and renamed, so that two runs may fill the store at once; every read verifies it,
which is why writing needs no fsync. Its time of change is that of its last use.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sdexp.ground.errors import ConfigError, DiskError
from sdexp.ground.files import disk_faults, named_path, write_bytes

if TYPE_CHECKING:
    import numpy as np

Arrays: TypeAlias = "dict[str, np.ndarray]"


def default_root() -> Path:
    """`SDEXP_STORE`, or the user's cache folder; raises `ConfigError` for a file."""
    if named := _variable("SDEXP_STORE"):
        path = named_path("SDEXP_STORE", named)
        if path.exists() and not path.is_dir():
            raise ConfigError(f"SDEXP_STORE={named}: is a file; name a folder")
        return path
    home = _variable("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "sdexp" / "store"


def _variable(name: str) -> str:
    """An empty variable is as good as none."""
    return os.environ[name] if name in os.environ else ""


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

    def holds(self, kind: str, key: str) -> bool:
        """Whether there is an entry; it is not read, so it may yet be damaged."""
        return self.path(kind, key).is_file()

    def get(self, kind: str, key: str) -> Arrays | None:
        """The arrays of an entry; None when there is none or its bytes are damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.path(kind, key)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DiskError(
                f"{path}: cannot be read ({error.strerror}); remove it, or set SDEXP_STORE to "
                "another folder"
            ) from error
        try:
            arrays = load(data[32:])
        except SafetensorError:
            arrays = None
        whole = arrays is not None and hashlib.sha256(data[32:]).digest() == data[:32]
        # A store that may only be read still serves; another process may prune at any time.
        with suppress(OSError):
            os.utime(path) if whole else path.unlink()
        return arrays if whole else None

    def put(self, kind: str, key: str, arrays: Arrays) -> None:
        """Write an entry, whole or not at all."""
        import numpy as np
        from safetensors.numpy import save

        data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        write_bytes(self.path(kind, key), hashlib.sha256(data).digest() + data, sync=False)

    def get_or_make(self, kind: str, key: str, make: Callable[[], Arrays]) -> tuple[Arrays, bool]:
        """The arrays of an entry, and whether they were found; made once by all processes.

        `make` may not wait for another entry of the same kind.
        """
        found = self.get(kind, key)
        if found is not None:
            return found, True
        with self.lock(kind, key, wait=True):
            found = self.get(kind, key)
            if found is not None:
                return found, True
            arrays = make()
            self.put(kind, key, arrays)
        return arrays, False

    @contextmanager
    def lock(self, kind: str, key: str, wait: bool) -> Iterator[bool]:
        """Hold an entry against other processes; False when another has it and `wait` is false.

        Many keys share a lock. The system frees it when its holder dies.
        """
        path = self.path(kind, key).with_name(".lock")
        with disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield _flock(handle, wait)
        finally:
            os.close(handle)


def _flock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True

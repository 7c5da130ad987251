"""Keeping the store: what lies in it, whether it is whole, and what goes.

All of it may be done while runs use the store: a pruned entry is made again, and a file that
vanishes meanwhile is passed over.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdexp.ground.errors import DiskError
from sdexp.ground.files import HALF_WRITTEN
from sdexp.ground.store import Store

# No living writer needs longer between the first and the last byte of an entry.
STALE_SECONDS = 3600.0
DAY_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Entry:
    """A file of the store; `used` is the time of its last use in seconds since 1970."""

    kind: str
    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class Holding:
    """All entries of a kind together."""

    kind: str
    entries: int
    size: int
    oldest: float
    newest: float


def entries(store: Store) -> list[Entry]:
    """Every entry, the longest unused first."""
    found = _files(store, "*/*/*.bin")
    return sorted(found, key=lambda entry: (entry.used, entry.path))


def holdings(store: Store) -> list[Holding]:
    """What lies in the store, by kind."""
    found = entries(store)
    sizes: Counter[str] = Counter()
    for entry in found:
        sizes[entry.kind] += entry.size
    return [
        Holding(kind, len(uses), sizes[kind], uses[0], uses[-1])
        for kind in sorted(sizes)
        if (uses := [entry.used for entry in found if entry.kind == kind])
    ]


def damaged(store: Store) -> tuple[int, list[Entry]]:
    """How many entries were read, and those whose bytes are not as they were written."""
    read = 0
    bad = []
    for entry in entries(store):
        whole = _is_whole(entry.path)
        read += whole is not None
        if whole is False:
            bad.append(entry)
    return read, bad


def stale(store: Store) -> list[Entry]:
    """What killed writers left half-written."""
    limit = time.time() - STALE_SECONDS
    return [entry for entry in _files(store, f"*/*/{HALF_WRITTEN}*") if entry.used < limit]


def to_prune(store: Store, older_than_days: float | None, max_bytes: float | None) -> list[Entry]:
    """The longest unused entries: those beyond an age, then those beyond a size of the rest."""
    found = entries(store)
    limit = time.time() - older_than_days * DAY_SECONDS if older_than_days is not None else 0.0
    total = sum(entry.size for entry in found)
    chosen = []
    for entry in found:
        too_old = older_than_days is not None and entry.used < limit
        if too_old or (max_bytes is not None and total > max_bytes):
            chosen.append(entry)
            total -= entry.size
    return chosen


def remove(chosen: list[Entry]) -> None:
    """Remove entries; raises `DiskError` where the store may only be read."""
    for entry in chosen:
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"{entry.path}: cannot be removed ({error.strerror})") from error


def _files(store: Store, pattern: str) -> Iterator[Entry]:
    for path in store.root.glob(pattern):
        with suppress(FileNotFoundError):
            facts = path.stat()
            kind = path.relative_to(store.root).parts[0]
            yield Entry(kind, path, facts.st_size, facts.st_mtime)


def _is_whole(path: Path) -> bool | None:
    """None when the file is gone."""
    try:
        with path.open("rb") as file:
            written = file.read(32)
            return hashlib.file_digest(file, "sha256").digest() == written
    except FileNotFoundError:
        return None

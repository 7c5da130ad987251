"""Files that lie in memory because a process maps them."""

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

MAPPINGS = Path("/proc/self/maps")
PAGES = Path("/proc/self/pagemap")
# Of a page's entry there, eight bytes: whether it lies in memory, or in swap, and still is that of
# the file (https://docs.kernel.org/admin-guide/mm/pagemap.html).
PRESENT = np.uint64(1 << 63)
SWAPPED = np.uint64(1 << 62)
OF_THE_FILE = np.uint64(1 << 61)


def let_go(file: Path) -> None:
    """Give back the memory that a mapped file takes in this process, until it is used again.

    What reads there afterwards finds the same. A mapping that was written to stays, and so does
    everything where the system does not tell of it (anything but Linux).
    """
    with suppress(FileNotFoundError, PermissionError):
        for start, end in _mappings(file):
            if not _is_changed(start, end):
                _advise(start, end)


def _mappings(file: Path) -> Iterator[tuple[int, int]]:
    """Where a file is mapped: first address, and that behind the last."""
    for line in MAPPINGS.read_text().splitlines():
        place, *_, path = line.split(maxsplit=5)
        if path == str(file):
            start, _, end = place.partition("-")
            yield int(start, 16), int(end, 16)


def _is_changed(start: int, end: int) -> bool:
    """Whether a page is not the file's any more, which only this process has then."""
    size = np.dtype(np.uint64).itemsize
    count = (end - start) // mmap.PAGESIZE
    with PAGES.open("rb") as pages:
        entries = np.frombuffer(
            os.pread(pages.fileno(), size * count, size * (start // mmap.PAGESIZE)), np.uint64
        )
    is_kept = (entries & (PRESENT | SWAPPED)) != 0
    is_own = (entries & SWAPPED != 0) | (entries & OF_THE_FILE == 0)
    return len(entries) < count or bool((is_kept & is_own).any())


def _advise(start: int, end: int) -> None:
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if advise(start, end - start, mmap.MADV_DONTNEED):
        raise OSError(ctypes.get_errno(), "madvise")

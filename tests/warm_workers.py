"""Workers of commands that tests call in this process: forks of one that has everything loaded.

They are what `processes.start` starts, with the same files open, but for the seconds that a fresh
interpreter takes to import. Sweeps start theirs so as well.
"""

import multiprocessing
import os
import sys
from multiprocessing import reduction
from typing import Any

from sdexp.launch import warm
from sdexp.launch.processes import allocation


class OpenFiles:
    """Handles of this process, which a child of the server gets too."""

    def __init__(self, handles: list[int]) -> None:
        self.handles = handles

    def __getstate__(self) -> list[Any]:
        return [reduction.DupFd(handle) for handle in self.handles]

    def __setstate__(self, state: list[Any]) -> None:
        self.handles = [duplicate.detach() for duplicate in state]


def start(
    module: str, arguments: list[str], variables: dict[str, str], *, lock: int | None = None
) -> warm.Forked:
    """As `processes.start`: it prints where this process does, and holds the lock too."""
    sys.stdout.flush()
    warm.start_server(allocation())
    own = dict(os.environ) | variables
    files = OpenFiles([1, 2] if lock is None else [1, 2, lock])
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_become, args=(module, arguments, own, os.getcwd(), files))
    with warm._unknown_main():
        process.start()
    return warm.Forked(process)


def _become(
    module: str, arguments: list[str], variables: dict[str, str], folder: str, files: OpenFiles
) -> None:
    os.chdir(folder)
    for place, handle in zip((1, 2), files.handles[:2], strict=True):
        os.dup2(handle, place)
    warm._become(module, arguments, variables, None)

"""Trackers beside the run: each in a thread of its own, so that none can hold the run up.

Imports no torch, so that a door may use it too.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sdexp.ground.errors import SdexpError
from sdexp.ground.files import write_text
from sdexp.ground.run import RunFolder
from sdexp.tracker.base import AbstractTracker, ActiveTracker, TrackerFault

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

logger = logging.getLogger(__name__)

# How long the end of a run waits for a server to let a tracker in; later the tracker does without.
CONNECT_SECONDS = 2.5
# How long it waits for any other call. A server that is well answers sooner; a run has to end
# within 5 seconds of its last step, and the interpreter needs some of them.
CALL_SECONDS = 3.5
# The same for imports and a process on this machine, which end by themselves.
PREPARE_SECONDS = 15.0
# What may wait while a server does not answer: the scalars of a long run, or some pictures.
WAITING_BYTES = 64_000_000
SCALAR_BYTES = 200

# A process forked while another thread imports would wait for that import for ever.
_importing = threading.RLock()
os.register_at_fork(
    before=_importing.acquire,
    after_in_parent=_importing.release,
    after_in_child=_importing.release,
)


class Background:
    """One tracker and its thread; goes quiet with one warning at the first fault."""

    def __init__(self, name: str, tracker: ActiveTracker, log: Path, has_told: bool) -> None:
        self.name = name
        self.tracker = tracker
        self._log = log
        self.has_told = has_told
        self._calls: deque[tuple[Callable[[], None] | None, int]] = deque()
        self._waiting = 0
        self._is_connecting = False
        self._is_quiet = False
        self._changed = threading.Condition()
        self._allow(PREPARE_SECONDS)
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], None] | None, size: int) -> None:
        """Have the thread call a function that keeps `size` bytes alive; None ends the thread."""
        with self._changed:
            is_full = self._waiting > WAITING_BYTES
            if not (self._is_quiet or is_full):
                self._calls.append((function, size))
                self._waiting += size
                self._changed.notify()
        if is_full:
            self._go_quiet("does not keep up")

    def wait(self) -> None:
        """Let the thread end its calls, each in its time; else leave it behind."""
        asked = time.monotonic()
        is_hurried = False
        try:
            while self._thread.is_alive() and not self._is_quiet:
                # Who has been connecting for long gets no more time.
                least = 0 if self._is_connecting else asked + CALL_SECONDS
                left = max(self._deadline, least) - time.monotonic()
                if left > 0:
                    self._thread.join(left)
                elif self._is_connecting and not is_hurried:
                    is_hurried = True
                    self._allow(CALL_SECONDS)
                    self.tracker.hurry()
                else:
                    break
        finally:
            if self._thread.is_alive():
                self._go_quiet(f"gave no answer for {CALL_SECONDS:g} s")

    def _work(self) -> None:
        has_failed = True
        try:
            with _importing:
                self.tracker.prepare()
            self._allow(CONNECT_SECONDS)
            self._is_connecting = True
            self._tell(self.tracker.connect())
            self._is_connecting = False
            while (function := self._next()) is not None:
                function()
            has_failed = False
        except TrackerFault as fault:
            self._go_quiet(str(fault))
        finally:
            # Python prints an error of our own; the run goes on after it too.
            if has_failed:
                self._go_quiet("failed")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._is_quiet)
            if self._is_quiet:
                return None
            function, size = self._calls.popleft()
            self._waiting -= size
        self._allow(CALL_SECONDS)
        return function

    def _allow(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _tell(self, notice: str) -> None:
        with self._changed:
            if notice and not self._is_quiet:
                self._warn(notice)

    def _go_quiet(self, reason: str) -> None:
        with self._changed:
            if self._is_quiet:
                return
            self._is_quiet = True
            self._calls.clear()
            self._changed.notify()
            self._warn(f"{reason}; the run goes on without it, all numbers are in {self._log}")
        self.tracker.abandon()

    def _warn(self, text: str) -> None:
        if not self.has_told:
            logger.warning("warning: %s: %s", self.name, text)
        self.has_told = True


class Trackers:
    """All trackers of a run; no call waits for any of them but `close`."""

    def __init__(
        self,
        recipes: Mapping[str, AbstractTracker],
        run: RunFolder,
        config: dict[str, Any],
        job_type: str,
    ) -> None:
        self._run = run
        self._told = _told_by_this_command(run)
        self._all = [
            self._started(name, recipe, config, job_type) for name, recipe in recipes.items()
        ]

    def _started(
        self, name: str, recipe: AbstractTracker, config: dict[str, Any], job_type: str
    ) -> Background:
        has_told = name in self._told
        active = recipe.start(self._run, config, job_type, is_cut_off=has_told)
        return Background(name, active, self._run.log, has_told)

    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name at an optimizer step."""
        values = dict(values)
        for one in self._all:
            one.call(partial(one.tracker.log, values, step), SCALAR_BYTES * len(values))

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Captioned pictures."""
        images = [*images]
        size = sum(_bytes(image) for _, image in images)
        for one in self._all:
            one.call(partial(one.tracker.log_images, name, images, step), size)

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """A table of numbers, texts and pictures."""
        columns = [*columns]
        rows = [[*row] for row in rows]
        size = sum(_bytes(cell) for row in rows for cell in row)
        for one in self._all:
            one.call(partial(one.tracker.log_table, name, columns, rows), size)

    def close(self, failed: bool) -> None:
        """Let every tracker end; one that hangs is left behind."""
        for one in self._all:
            one.call(partial(one.tracker.close, failed), 0)
            one.call(None, 0)
        for one in self._all:
            one.wait()
        _keep_told(self._run, [one.name for one in self._all if one.has_told])


@contextmanager
def tracked(
    recipes: Mapping[str, AbstractTracker], run: RunFolder, config: dict[str, Any], job_type: str
) -> Iterator[Trackers]:
    """The trackers of a job, closed at its end as failed or not."""
    trackers = Trackers(recipes, run, config, job_type)
    try:
        yield trackers
    finally:
        trackers.close(failed=sys.exc_info()[0] is not None)


def _told_by_this_command(run: RunFolder) -> list[str]:
    """Trackers that an earlier stage of the same command has warned about."""
    command = _command(run)
    file = run.trackers_told
    if not command or not file.exists():
        return []
    kept = json.loads(file.read_text())
    return kept["names"] if kept["command"] == command else []


def _keep_told(run: RunFolder, names: list[str]) -> None:
    command = _command(run)
    if command and names:
        # That a warning may come twice is no reason to fail.
        with suppress(SdexpError, OSError):
            write_text(run.trackers_told, json.dumps({"command": command, "names": names}))


def _command(run: RunFolder) -> str:
    """The door that holds the folder; nothing where none does."""
    lock = run.path / ".lock"
    return lock.read_text() if lock.exists() else ""


def _bytes(cell: Any) -> int:
    # A PIL picture, told without importing it.
    return cell.width * cell.height * 4 if hasattr(cell, "width") else SCALAR_BYTES

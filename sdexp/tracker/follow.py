"""Ships a run to one tracker, beside it: `python -m sdexp.tracker.follow RUN TRACKER`.

It reads what the run has written and the run knows nothing of it, so that losing it costs the run
nothing. What the tracker holds stands in a record, from which the next command goes on.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
import traceback
from collections import deque
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from sdexp.ground.build import as_config, build, plain, read_run_config
from sdexp.ground.errors import SdexpError
from sdexp.ground.lifeline import FOLLOW_PARENT, end_with_parent
from sdexp.ground.log import LogRow, LogTail
from sdexp.ground.pending import config_at_work, record_at_work
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import Shipped, ToldRecord
from sdexp.ground.run import RunFolder
from sdexp.tracker.base import AbstractTracker, ActiveTracker, Ending, Followed, first_line, warn
from sdexp.tracker.findings import Finding, findings, picture

LOOK_SECONDS = 1.0
# Faults that one line explains; of others a person needs the traceback.
PLAIN = (SdexpError, OSError, ImportError, ValueError, TypeError)


class Follower:
    """A run's way to one tracker."""

    def __init__(self, run: RunFolder, name: str, active: ActiveTracker) -> None:
        self._run = run
        self._name = name
        self._active = active
        self._record = active.folder / "shipped.json"
        self._shipped = read_record(self._record, Shipped) if self._record.is_file() else Shipped()
        self._tail = LogTail(run.log)
        self._last_step = 0
        self._is_open = False
        self._is_rewound = False

    def look(self, is_over: bool = False) -> None:
        """Ship what is new; `is_over` when the run has ended well, so that all of it is whole."""
        if self._run.pending_record.is_file():
            # Not the run's own yet: it may be refused, and repeat what stands in the log.
            return
        rows, is_new = self._tail.rows()
        self._last_step = rows[-1].step if rows else self._last_step
        rows = self._missing(rows) if is_new else rows
        pictures = self._pictures() if is_over else []
        found = list(findings(self._run, self._shipped.tables, is_over))
        if rows or pictures or found:
            self._open()
            self._ship_rows(self._settled(rows, pictures), is_over)
            self._ship_findings(found)
            if self._active.flush():
                self._keep()

    def close(self, failed: bool) -> None:
        """Have the tracker keep everything, and note what it holds."""
        if self._is_open:
            self._active.close(failed)
            self._shipped = replace(self._shipped, unfinished="")
            self._keep()

    def _open(self) -> None:
        if self._is_open:
            return
        self._shipped, notice = self._active.open(self._shipped)
        self._is_open = True
        self._keep()
        if notice:
            warn(self._name, notice)

    def _missing(self, rows: list[LogRow]) -> list[LogRow]:
        """Rows of a whole log that the tracker does not hold."""
        held = self._shipped
        return [r for r in rows if r.step > held.last_step(r.split) or r.time > held.time]

    def _settled(self, rows: list[LogRow], pictures: list[int]) -> list[LogRow]:
        """What to tell of `rows`: one that comes again only where it can replace the old one."""
        held = self._shipped
        again = [r for r in rows if r.step <= held.last_step(r.split) and r.time > held.time]
        # At first also what a killed process may have told and not noted.
        new = [*pictures, *(row.step for row in rows)]
        steps = [row.step for row in again] if self._is_rewound else new
        if steps and self._active.rewind(min(steps)):
            self._is_rewound = True
            self._shipped = held.before(min(steps))
            self._tail.restart()
            return self._missing(self._tail.rows()[0])
        return [r for r in rows if r.step > held.last_step(r.split) or r.time <= held.time]

    def _pictures(self) -> list[int]:
        """Steps whose validation pictures the tracker does not hold."""
        folder = self._run.validation
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        steps = sorted(int(name) for name in names if name.isdigit())
        return [step for step in steps if step > self._shipped.pictures]

    def _ship_rows(self, rows: list[LogRow], is_over: bool) -> None:
        """Rows and, among them, the pictures of steps that the log has passed."""
        waiting = deque(self._pictures())
        for (split, step), group in groupby(rows, lambda row: (row.split, row.step)):
            if split == "train":
                self._ship_pictures(waiting, step)
            told = list(group)
            values = {f"{split}/{row.name}": row.value for row in told}
            self._active.log({f"{split}/epoch": told[-1].epoch} | values, step)
            self._shipped = replace(
                self._shipped,
                steps=self._shipped.steps | {split: step},
                time=max(self._shipped.time, told[-1].time),
            )
            if split == "validation":
                self._ship_pictures(waiting, step + 1)
        self._ship_pictures(waiting, math.inf if is_over else 0)

    def _ship_pictures(self, waiting: deque[int], below: float) -> None:
        while waiting and waiting[0] < below:
            step = waiting.popleft()
            captions = json.loads((self._run.validation / "prompts.json").read_text())
            folder = self._run.validation / f"{step:06d}"
            images = [(text, picture(folder / f"{k}.png")) for k, text in enumerate(captions)]
            self._active.log_images("validation/pictures", images, step)
            self._shipped = replace(self._shipped, pictures=step)

    def _ship_findings(self, found: list[Finding]) -> None:
        for one in found:
            step = self._last_step if one.step is None else one.step
            if one.values:
                self._active.log(one.values, step)
            if one.words:
                self._active.log_words(one.words, step)
            if one.table:
                self._active.log_table(one.table.name, one.table.columns, one.table.rows, step)
            if one.page:
                self._active.log_page(one.key, one.page, step)
            tables = self._shipped.tables | {one.key: one.digest}
            self._shipped = replace(self._shipped, tables=tables)

    def _keep(self) -> None:
        write_record(self._record, self._shipped)


def follow(run: RunFolder, name: str, ending: Ending) -> None:
    """Ship what the folder holds until the command that is followed ends."""
    active = _started(run, name, ending)
    if active is None:
        return
    follower = Follower(run, name, active)
    while not ending.came.wait(LOOK_SECONDS):
        follower.look()
    follower.look(is_over=not ending.failed)
    follower.close(ending.failed)


def _started(run: RunFolder, name: str, ending: Ending) -> ActiveTracker | None:
    if run.told.is_file():
        told = read_record(run.told, ToldRecord)
        node = as_config(told.trackers)[name]
        followed = Followed(run, told.config, "sweep", ending)
    else:
        config = read_run_config(config_at_work(run))
        node = config.tracker[name]
        facts = {"run_dir": str(run.path), "choices": record_at_work(run).choices}
        followed = Followed(run, plain(config) | facts, "train", ending)
    return build(f"tracker.{name}", node, AbstractTracker).start(followed)


def main() -> None:
    """Follow until the parent says that it ends; without one, ship what there is."""
    run = RunFolder(Path(sys.argv[1]))
    name = sys.argv[2]
    ending = Ending()
    if FOLLOW_PARENT in os.environ:
        threading.Thread(target=_listen, args=(ending,), daemon=True).start()
    else:
        ending.came.set()
    try:
        follow(run, name, ending)
    finally:
        _end(run, name, sys.exc_info()[1])


def _listen(ending: Ending) -> None:
    """Hear the exit code of the command and how many seconds it waits; end with it."""
    words = os.read(0, 100).split()
    if words:
        ending.failed = words[0] != b"0"
        ending.deadline = time.monotonic() + float(words[1])
        ending.came.set()
        end_with_parent()
    os._exit(130)


def _end(run: RunFolder, name: str, error: BaseException | None) -> None:
    """Tell a fault in one line, and end whatever threads a library has left waiting."""
    if error is not None:
        if not (isinstance(error, PLAIN) or type(error).__module__.startswith("wandb.")):
            traceback.print_exception(error)
        told = first_line(error)
        told = f"cannot be imported ({told})" if isinstance(error, ImportError) else told
        warn(name, told, run)
    os._exit(0 if error is None else 1)


if __name__ == "__main__":
    main()

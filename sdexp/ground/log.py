"""`log.jsonl`, the record that every run writes: one number per line."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sdexp.ground.errors import DataError
from sdexp.ground.files import disk_faults, write_bytes

NUMBER = int | float
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class LogRow:
    """A number of a split ("train" or "validation") after `step` optimizer steps.

    epoch: passes over the data so far; time: seconds since 1970.
    """

    step: int
    epoch: float
    split: str
    name: str
    value: float
    time: float


@dataclass(frozen=True)
class Log:
    """The whole lines of a log; `damaged` are the numbers of those that are no row, from 1.

    A line is whole once its newline is there: a run at work may be in the midst of the last.
    """

    rows: list[LogRow]
    damaged: list[int]

    @property
    def last_step(self) -> int:
        return self.rows[-1].step if self.rows else 0

    def last_steps(self) -> dict[str, int]:
        """The last step of each split."""
        return {row.split: row.step for row in self.rows}


def append_rows(path: Path, rows: list[LogRow]) -> None:
    """Add rows at the end; raises `DiskError`."""
    text = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    with disk_faults(path), path.open("a") as file:
        file.write(text)


def now() -> float:
    """The time as a row holds it."""
    return round(time.time(), 3)


def read_log(path: Path) -> Log:
    """Every whole line of a log in order; nothing where there is no log."""
    parsed = [(number, row) for number, _, row in _lines(path)]
    rows = [row for _, row in parsed if row is not None]
    return Log(rows, [number for number, row in parsed if row is None])


class LogTail:
    """A log that is read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.restart()

    def restart(self) -> None:
        """Begin at the first row again."""
        self._file = 0
        self._offset = 0

    def rows(self) -> tuple[list[LogRow], bool]:
        """Whole rows since the last call; or all of them, and True, where the file is a new one."""
        if not self._path.is_file():
            return [], False
        with self._path.open("rb") as file:
            found = os.fstat(file.fileno()).st_ino
            is_new = found != self._file
            file.seek(0 if is_new else self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._file = found
            self._offset = (0 if is_new else self._offset) + len(whole) + len(newline)
        parsed = map(_row, whole.split(b"\n"))
        return [row for row in parsed if row is not None], is_new


def cut_after(path: Path, step: int, looked: int) -> None:
    """Drop what a resumed run repeats, and a line that a killed run left unfinished.

    Training goes on after `step`, validation after `looked`. Raises `DataError` for a damaged line.
    """
    if not path.exists():
        return
    last = {"train": step, "validation": looked}
    kept = []
    for number, line, row in _lines(path):
        if row is None or row.split not in last:
            raise DataError(f"{path}: line {number} is damaged; mend or remove it")
        if row.step <= last[row.split]:
            kept.append(line + b"\n")
    write_bytes(path, b"".join(kept))


def _lines(path: Path) -> Iterator[tuple[int, bytes, LogRow | None]]:
    whole = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    yield from ((number, line, _row(line)) for number, line in enumerate(whole, start=1))


def _row(line: bytes) -> LogRow | None:
    try:
        row = LogRow(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = isinstance(row.step, int) and isinstance(row.value, NUMBER)
    return row if numbers and isinstance(row.split, str) and isinstance(row.name, str) else None

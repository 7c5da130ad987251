"""The record that every run writes: one number per line of `log.jsonl`."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdexp.ground.errors import DataError
from sdexp.ground.run import disk_faults, write_bytes


@dataclass(frozen=True)
class JsonlLog:
    """Appends to a file of `{step, epoch, split, name, value, time}` lines."""

    path: Path

    def write(self, records: list[dict[str, Any]]) -> None:
        """Append records, whose keys are step, epoch, split ("train" or "validation"), name, value.

        The time, in Unix seconds, is added here.
        """
        now = round(time.time(), 3)
        text = "".join(json.dumps({**record, "time": now}) + "\n" for record in records)
        with disk_faults(self.path), self.path.open("a") as file:
            file.write(text)


def read(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a log, in order; nothing when there is no log."""
    return [_parse(path, number, line) for number, line in enumerate(_whole_lines(path), start=1)]


def cut_after(path: Path, step: int, looked: int) -> None:
    """Drop what a resumed run repeats, and a line that a killed run left unfinished.

    Training goes on after `step`, validation after `looked`.
    """
    if not path.exists():
        return
    last = {"train": step, "validation": looked}
    records = [(line, _parse(path, n, line)) for n, line in enumerate(_whole_lines(path), start=1)]
    kept = [line for line, record in records if record["step"] <= last[record["split"]]]
    write_bytes(path, b"".join(line + b"\n" for line in kept))


def _whole_lines(path: Path) -> list[bytes]:
    # A line is whole once its newline is there.
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise DataError(f"{path}: line {number} is damaged; mend or remove it") from error
    return record

"""What the tests of the doors share."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from sdexp import train
from tests.conftest import FAST

# Every stage of a small run, and the default tracker without a key.
WHOLE = [o for o in FAST if o != "tracker=none"]
WHOLE += ["tracker.wandb.mode=offline", "optimizer.lr=0.01"]


def fault(capfd: pytest.CaptureFixture[str], code: int, *argv: str, door: Any = train) -> str:
    """Run a command that must fail with `code` in one line, and return that line."""
    assert door.main(list(argv)) == code
    captured = capfd.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in captured.err
    return lines[0]


def digest(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }

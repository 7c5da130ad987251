"""Bytes that are counted, and bytes that lie there."""

from pathlib import Path
from typing import Any

import pytest


def within(share: float, expected: float) -> Any:
    return pytest.approx(expected, rel=share, abs=1)


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

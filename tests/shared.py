"""Public files that tests may use where they lie beside the checkout."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    """A file or folder of them; skips the test where it is not there."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path

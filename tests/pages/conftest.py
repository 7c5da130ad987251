from pathlib import Path

import pytest

from tests.pages.sweep_folders import make_sweep


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two learning rates by two seeds, and three jobs that left nothing to score."""
    return make_sweep(tmp_path)

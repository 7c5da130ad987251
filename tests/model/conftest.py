"""Small checkpoints of every family."""

from pathlib import Path

import pytest

from tests.checkpoints import KINDS, tiny_checkpoint


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {family: tiny_checkpoint(root / family, family) for family in KINDS}

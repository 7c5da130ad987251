from collections.abc import Iterator

import pytest

from sdexp.ground.run import RunFolder
from tests.tracker.wandb_server import Held, wandb_server


@pytest.fixture(autouse=True)
def at_home(nobody: None) -> None:
    """No test of a tracker meets the account of the person who runs it."""


@pytest.fixture
def run(begun: RunFolder) -> RunFolder:
    return begun


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """A W&B server that is well, and a key for it."""
    with wandb_server() as held:
        monkeypatch.setenv("WANDB_BASE_URL", held.url)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        yield held

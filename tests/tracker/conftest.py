import pytest

from sdexp.ground.run import RunFolder


@pytest.fixture(autouse=True)
def at_home(nobody: None) -> None:
    """No test of a tracker meets the account of the person who runs it."""


@pytest.fixture
def run(begun: RunFolder) -> RunFolder:
    return begun

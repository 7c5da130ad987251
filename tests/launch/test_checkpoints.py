from pathlib import Path

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.launch.checkpoints import named_steps


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    for step in (200, 400, 600):
        (tmp_path / "checkpoints" / f"{step:06d}").mkdir(parents=True)
    (tmp_path / "checkpoints" / "quarantine").mkdir()
    return RunFolder(tmp_path)


@pytest.mark.parametrize(
    "word, steps",
    [
        ("checkpoints=all", [200, 400, 600]),
        ("evaluation.checkpoints=all", [200, 400, 600]),
        ("checkpoints=[600,200]", [200, 600]),
        ("checkpoints=000400", [400]),
    ],
)
def test_steps_are_named(run: RunFolder, word: str, steps: list[int]) -> None:
    assert named_steps(run, [word, "metric=[kid]"]) == (steps, ["metric=[kid]"])


def test_a_command_that_names_none(run: RunFolder) -> None:
    assert named_steps(run, ["checkpoint=200"]) == ([], ["checkpoint=200"])


@pytest.mark.parametrize(
    "word, message",
    [
        ("checkpoints=[200,300]", "checkpoints=300: there is no such one; there are 200, 400, 600"),
        ("checkpoints=best", r"checkpoints=best: allowed is all, or some of \[200, 400, 600\]"),
        ("checkpoints=[]", r"checkpoints=\[\]: allowed is all"),
    ],
)
def test_what_is_not_there_is_told(run: RunFolder, word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        named_steps(run, [word])


def test_a_run_without_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="checkpoints=all: there is no such one; there are none"):
        named_steps(RunFolder(tmp_path), ["checkpoints=all"])

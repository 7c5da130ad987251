"""Fixtures of tests in which trackers are at work."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdexp.ground.build import write_config
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose


@pytest.fixture
def nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No W&B key, setting or home folder of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.chdir(home)
    yield
    # What a tracker has set, which would be its process's alone.
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)


@pytest.fixture
def begun(tmp_path: Path) -> RunFolder:
    """The folder of a run that has just begun."""
    folder = RunFolder(tmp_path / "run")
    composed = compose("train", ["tracker=wandb", "tracker.wandb.mode=offline"])
    write_config(folder.config, composed.config)
    folder.write_record(RunRecord(status="running", choices=composed.choices))
    return folder

"""`dry_run=true` and `dry_run=step` as a person uses them."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

from sdexp import train
from sdexp.ground.run import RunFolder
from sdexp.ground.store import default_root
from tests.commands import fault
from tests.conftest import FAST


@pytest.fixture(autouse=True)
def temporary_folders(empty_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the door makes its folder to throw away."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_a_dry_run_speaks_and_leaves_nothing(
    capfd: Any, empty_folder: Path, temporary_folders: Path
) -> None:
    assert train.main([*FAST, "dry_run=true"]) == 0
    told = capfd.readouterr().out
    assert "training: 4 steps = 0.4 epochs of 40 pictures" in told
    assert " in outputs (" in told and "measured" not in told
    left = [
        *empty_folder.iterdir(),
        *temporary_folders.glob("sdexp*"),
        *default_root().rglob("*.bin"),
    ]
    assert left == []


@pytest.mark.slow
def test_a_measured_dry_run_goes_on_to_a_real_run(capfd: Any, empty_folder: Path) -> None:
    argv = [*FAST, "evaluation=none", "run_dir=mine"]
    assert train.main([*argv, "dry_run=step"]) == 0
    told = capfd.readouterr().out
    assert " in mine (" in told and "measured on cpu: " in told
    assert list(empty_folder.iterdir()) == []
    assert train.main(argv) == 0
    assert RunFolder(Path("mine")).read_record().status == "finished"
    assert "this run is finished" in fault(capfd, 2, *argv, "dry_run=true")


def test_faults_end_as_those_of_a_run(capfd: Any, empty_folder: Path) -> None:
    assert "dry_run=perhaps: allowed are" in fault(capfd, 2, "dry_run=perhaps")
    assert "dry_run=1: allowed are" in fault(capfd, 2, "dry_run=1")
    assert "data_dir=absent" in fault(
        capfd,
        65,
        "dry_run=true",
        "dataset=imagefolder",
        "dataset.data_dir=absent",
        "model=pocket",
    )
    huge = ["training.checkpoints_total_limit=1000000000", "training.checkpointing_steps=1"]
    steps = ["training.max_train_steps=1000000000", "training.validation_images_steps=null"]
    line = fault(capfd, 74, *FAST, *huge, *steps, "dry_run=true")
    assert line.startswith("error: outputs: the run and the store") and "run_dir" in line
    assert list(empty_folder.iterdir()) == []

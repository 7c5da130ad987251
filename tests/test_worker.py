import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sdexp import worker
from sdexp.engine.checkpoint import Checkpoint, save_checkpoint
from sdexp.ground.run import RunFolder
from sdexp.ground.types import ConfigError, DataError, DivergedError


def stage(monkeypatch: pytest.MonkeyPatch, run: RunFolder, work: Any) -> int:
    """The worker's exit code after a stage that does `work`."""
    monkeypatch.setitem(worker.STAGES, "train", work)
    monkeypatch.setattr(sys, "argv", ["worker", str(run.path), "train"])
    return worker.main()


def raising(error: Exception) -> Any:
    def work(_: RunFolder) -> None:
        raise error

    return work


def test_what_became_of_a_stage_stands_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    assert stage(monkeypatch, run, lambda _: {"training": {"steps": 3}}) == 0
    record = json.loads(run.record.read_text())
    assert record == {"training": {"steps": 3}, "outcome": {"exit_code": 0, "reason": None}}


def test_a_real_lack_of_memory_ends_with_75(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path)
    assert stage(monkeypatch, run, lambda _: torch.empty(2**52)) == 75
    (line,) = capfd.readouterr().err.splitlines()
    assert "out of memory" in line and "training.train_batch_size" in line
    assert run.read_record()["outcome"]["exit_code"] == 75


def test_memory_faults_without_a_text_are_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    assert stage(monkeypatch, run, raising(MemoryError())) == 75
    assert "out of memory" in run.read_record()["outcome"]["reason"]


def test_other_faults_are_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        stage(monkeypatch, RunFolder(tmp_path), raising(RuntimeError("shapes differ")))
    assert not RunFolder(tmp_path).record.exists()


@pytest.mark.parametrize("changed", ["data", "base_weights"])
def test_a_run_goes_on_with_the_data_and_weights_that_it_began_with(
    tmp_path: Path, changed: str
) -> None:
    run = RunFolder(tmp_path)
    before = {"data": {"train": {"manifest": "a"}}, "base_weights": {"unet": "b"}}
    after = before | {changed: {"train": {"manifest": "other"}, "unet": "other"}}
    run.update_record(**before)
    worker._check_unchanged(run, after)
    save_checkpoint(run.checkpoints, Checkpoint(1, {"trained": {}}, {}), keep=1)
    worker._check_unchanged(run, before)
    with pytest.raises(DataError, match="changed since this run's last checkpoint"):
        worker._check_unchanged(run, after)


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigError("c"), 0), (DivergedError("d"), 0), (DataError("e"), 65)]
)
def test_ranks_end_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any, code: int
) -> None:
    run = RunFolder(tmp_path)
    assert stage(monkeypatch, run, raising(error)) == code
    outcome = run.read_record()["outcome"]
    assert outcome == {"exit_code": error.exit_code, "reason": str(error)}
    run.record.unlink()
    monkeypatch.setenv("RANK", "1")
    assert stage(monkeypatch, run, raising(error)) == code and not run.record.exists()

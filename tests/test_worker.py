import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sdexp import worker
from sdexp.engine.train.checkpoint import Checkpoint, save_checkpoint
from sdexp.ground.errors import ConfigError, DataError, DivergedError
from sdexp.ground.interrupt import Interrupted
from sdexp.ground.run import RunFolder


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
    outcome = {"exit_code": 0, "reason": None}
    assert record == {"stage": "train", "training": {"steps": 3}, "outcome": outcome}


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
    assert "outcome" not in RunFolder(tmp_path).read_record()


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


@pytest.mark.parametrize("error", [ConfigError("c"), DivergedError("d"), Interrupted(15)])
def test_only_the_main_process_writes_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    run = RunFolder(tmp_path)
    assert stage(monkeypatch, run, raising(error)) == error.exit_code
    outcome = run.read_record()["outcome"]
    assert outcome == {"exit_code": error.exit_code, "reason": str(error)}
    run.record.unlink()
    monkeypatch.setenv("RANK", "1")
    code = stage(monkeypatch, run, raising(error))
    assert code == error.exit_code and not run.record.exists()


def test_stages_follow_each_other_until_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, done = RunFolder(tmp_path), []
    monkeypatch.setitem(worker.STAGES, "train", lambda _: done.append("train") or {"a": 1})
    monkeypatch.setitem(worker.STAGES, "evaluate", raising(DataError("too few")))
    monkeypatch.setattr(sys, "argv", ["worker", str(run.path), "train", "evaluate"])
    assert worker.main() == 65 and done == ["train"]
    record = run.read_record()
    assert record["stage"] == "evaluate" and record["a"] == 1
    assert record["outcome"] == {"exit_code": 65, "reason": "too few"}

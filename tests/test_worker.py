import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sdexp import worker
from sdexp.ground.build import write_config
from sdexp.ground.errors import ConfigError, DataError, DivergedError
from sdexp.ground.interrupt import Interrupted
from sdexp.ground.record_files import read_record
from sdexp.ground.records import Outcome
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose


def stage(monkeypatch: pytest.MonkeyPatch, run: RunFolder, work: Any) -> int:
    """The worker's exit code after a stage that does `work`."""
    monkeypatch.setitem(worker.STAGES, "train", work)
    monkeypatch.setattr(sys, "argv", ["worker", str(run.path), "train"])
    return worker.main()


def outcome(run: RunFolder) -> Outcome:
    return read_record(run.outcome, Outcome)


def raising(error: Exception) -> Any:
    def work(run: RunFolder, name: str) -> None:
        raise error

    return work


def test_what_became_of_a_stage_stands_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    assert stage(monkeypatch, run, lambda run, name: None) == 0
    assert outcome(run) == Outcome(0, None)


def test_a_real_lack_of_memory_ends_with_75(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path)
    words = ["training.train_batch_size=8", "training.gradient_accumulation_steps=2"]
    write_config(run.config, compose("train", words).config)
    assert stage(monkeypatch, run, lambda run, name: torch.empty(2**52)) == 75
    (line,) = capfd.readouterr().err.splitlines()
    assert "out of memory" in line and "keep the 16 samples of a step" in line
    assert "training.train_batch_size=4 training.gradient_accumulation_steps=4 " in line
    assert outcome(run).exit_code == 75


def test_memory_faults_without_a_text_are_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path)
    write_config(run.config, compose("train", ["training.train_batch_size=1"]).config)
    assert stage(monkeypatch, run, raising(MemoryError())) == 75
    reason = str(outcome(run).reason)
    assert "out of memory" in reason and "training.resolution" in reason


def test_other_faults_are_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        stage(monkeypatch, RunFolder(tmp_path), raising(RuntimeError("shapes differ")))
    assert not RunFolder(tmp_path).outcome.exists()


@pytest.mark.parametrize("error", [ConfigError("c"), DivergedError("d"), Interrupted(15)])
def test_only_the_main_process_writes_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    run = RunFolder(tmp_path)
    assert stage(monkeypatch, run, raising(error)) == error.exit_code
    assert outcome(run) == Outcome(error.exit_code, str(error))
    run.outcome.unlink()
    monkeypatch.setenv("RANK", "1")
    code = stage(monkeypatch, run, raising(error))
    assert code == error.exit_code and not run.outcome.exists()


def test_stages_follow_each_other_until_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, done = RunFolder(tmp_path), []
    for verb in ("train", "generate"):
        monkeypatch.setitem(worker.STAGES, verb, lambda run, name: done.append(name))
    monkeypatch.setitem(worker.STAGES, "evaluate", raising(DataError("too few")))
    argv = ["worker", str(run.path), "train", "generate:x_y", "evaluate:z", "train"]
    monkeypatch.setattr(sys, "argv", argv)
    assert worker.main() == 65 and done == ["", "x_y"]
    assert outcome(run) == Outcome(65, "too few")


def test_the_worker_records_what_it_did(new_run: Any, tiny: str) -> None:
    run = new_run("record", tiny)
    worker._train(run, "")
    record = run.read_record()
    facts = record.training
    assert facts is not None and facts.images_per_second is not None
    assert facts.steps == 4 and facts.trainable_parameters < facts.total_parameters
    assert facts.images_per_second > 0 and facts.peak_memory_gb > 0.1
    assert record.data["train"].pictures == 40 and len(record.base_weights["unet"]) == 64
    (saved,) = record.weights.values()
    file = run.weights / "pytorch_lora_weights.safetensors"
    assert saved.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert saved.shapes == {name: list(t.shape) for name, t in load_file(file).items()}

"""Stages of a run in a real child, which ends as it is told."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.records import Outcome, RunRecord
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose
from sdexp.launch.freeze import freeze
from sdexp.launch.job import carry_out, next_stages, run_stages, status_of
from tests.conftest import FAST
from tests.records import TRAINING

Told = Callable[[str], Path]


def carried(run: RunFolder, recipes: Any, stages: list[str]) -> int:
    with run.lock() as lock:
        return carry_out(run, recipes(), lock, stages)


@pytest.mark.parametrize(
    "code, status",
    [(0, "finished"), (2, "failed"), (70, "failed"), (130, "interrupted"), (143, "interrupted")],
)
def test_codes_above_128_are_interruptions(code: int, status: str) -> None:
    assert status_of(Outcome(code, None)) == status


@pytest.mark.parametrize(
    "how, expected",
    [
        ("0", Outcome(0, None)),
        ("76:loss nan", Outcome(76, "loss nan")),
        ("74", Outcome(74, "the disk is full")),
        ("3", Outcome(70, "the worker died with code 3")),
        ("killed", Outcome(70, "the worker died with code -9")),
    ],
)
def test_what_became_of_a_worker_is_told(
    how: str, expected: Outcome, told_worker: Told, tmp_path: Path
) -> None:
    asked = told_worker(how)
    run = RunFolder(tmp_path)
    with run.lock() as lock:
        assert run_stages(run, ["train", "evaluate:x"], 1, lock) == expected
    assert asked.read_text() == "train evaluate:x" and not run.outcome.exists()


def test_stacks_of_a_dead_worker_are_named_and_old_ones_go(
    told_worker: Told, tmp_path: Path
) -> None:
    told_worker("3")
    run = RunFolder(tmp_path)
    run.stacks.mkdir()
    (run.stacks / "rank0.txt").write_text("of an earlier start")
    with run.lock() as lock:
        assert "stacks" not in str(run_stages(run, ["train"], 1, lock).reason)


def test_a_run_keeps_what_became_of_it(told_worker: Told, new_run: Any, recipes: Any) -> None:
    told_worker("76:loss nan")
    run = new_run("run")
    assert carried(run, recipes, ["train"]) == 76
    record = run.read_record()
    assert (record.status, record.exit_code, record.reason) == ("failed", 76, "loss nan")
    assert record.ended is not None and record.command_seconds is not None
    assert "loss nan" in run.report_html.read_text()
    told_worker("0")
    assert carried(run, recipes, ["train"]) == 0
    record = run.read_record()
    assert (record.status, record.exit_code, record.reason) == ("finished", 0, None)


def test_what_a_killed_command_left_goes(told_worker: Told, new_run: Any, recipes: Any) -> None:
    told_worker("0")
    run = new_run("run")
    half = run.path / "images" / ".tmp-prompts.json-1"
    half.parent.mkdir()
    half.touch()
    assert carried(run, recipes, ["train"]) == 0
    assert not half.exists()


def test_an_interrupted_run_has_no_page(told_worker: Told, new_run: Any, recipes: Any) -> None:
    told_worker("143:stopped by SIGTERM")
    run = new_run("run")
    assert carried(run, recipes, ["train"]) == 143
    assert run.read_record().status == "interrupted" and not run.report_html.exists()


def test_a_worker_that_refuses_leaves_an_old_run_as_it_was(
    told_worker: Told, new_run: Any, recipes: Any
) -> None:
    run = new_run("run")
    freeze(run, compose("train", FAST), "again", "running", [])
    before = run.record.read_bytes(), run.config.read_bytes()
    told_worker("65:the data changed")
    assert carried(run, recipes, ["train"]) == 65
    assert (run.record.read_bytes(), run.config.read_bytes()) == before
    assert not run.pending_record.exists() and not run.report_html.exists()


def test_an_evaluation_alone_makes_what_is_pending_the_runs_own(
    told_worker: Told, new_run: Any, recipes: Any
) -> None:
    run = new_run("run")
    freeze(run, compose("train", FAST), "again", "running", [])
    told_worker("0")
    assert carried(run, recipes, ["evaluate"]) == 0
    assert run.read_record().command == "again" and not run.pending_record.exists()


def test_only_what_is_left_is_done(new_run: Any, recipes: Any) -> None:
    run = new_run("run")
    assert next_stages(run, recipes()) == ["train", "evaluate"]
    assert next_stages(run, recipes("evaluation=none")) == ["train"]
    run.write_record(RunRecord(status="failed", stage="evaluate", training=TRAINING))
    assert next_stages(run, recipes()) == ["train", "evaluate"]
    run.weights.mkdir()
    assert next_stages(run, recipes()) == ["evaluate"]
    assert next_stages(run, recipes("evaluation=none")) == []
    # A longer training is pending: the weights that are there are not its own.
    freeze(run, compose("train", [*FAST, "training.max_train_steps=9"]), "x", "running", [])
    assert next_stages(run, recipes()) == ["train", "evaluate"]


def test_a_job_that_cannot_begin_tells_one_line(new_run: Any) -> None:
    run = new_run("run")
    run.config.unlink()
    command = [sys.executable, "-m", "sdexp.launch.job", str(run.path)]
    answer = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert "config.yaml: cannot be read" in answer.stderr

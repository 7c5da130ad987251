import subprocess
import sys
from typing import Any

import pytest

from sdexp import app, evaluate, export, generate, prepare, report, store, train
from sdexp.ground.records import RunRecord
from sdexp.launch.compose import ROOTS

DOORS = {"train": train, "evaluate": evaluate, "generate": generate, "export": export,
         "report": report, "store": store, "prepare": prepare, "app": app}  # fmt: skip


@pytest.mark.parametrize("door", ROOTS)
def test_help_speaks_of_its_own_door(door: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert DOORS[door].main(["--help"]) == 0
    told = capfd.readouterr().out
    assert "Hydra" not in told and f"python -m sdexp.{door}" in told
    has_groups = door in ("train", "evaluate")
    assert ("Groups: " in told) == has_groups and ("finetune: " in told) == (door == "train")


def test_help_keeps_the_comments_of_the_files(capfd: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--help", "finetune=unet"]) == 0
    told = capfd.readouterr().out
    assert "# pictures per process and micro-batch" in told
    assert "# finetune=unet" in told and "# The whole U-Net trains." in told
    assert "  metric: clip_score, " in told and "tracker: none, " in told


def test_the_version_is_our_own(capfd: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--version"]) == 0
    assert capfd.readouterr().out.startswith("sdexp ")


def test_what_a_command_takes_is_shown_too(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--cfg", "job", "evaluation.negative_prompt=blurry, dark", "run_dir=a [b]"]
    assert train.main(words) == 0
    told = capfd.readouterr().out
    assert "negative_prompt: blurry, dark" in told and "run_dir: a [b]" in told
    assert "primary: kid" in told and "hydra" not in told


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    command = f"{sys.executable} -m sdexp.train --help | head -1"
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert answer.stderr == "" and answer.stdout.startswith("fine-tune")


def test_hydras_other_answers_still_work(capfd: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "sdexp.train", "--info", "defaults", "finetune=unet"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0 and "finetune/unet" in answer.stdout


def test_what_is_shown_of_a_run_that_is_there_is_its_own(
    new_run: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run("run", "training.seed=7", "finetune=unet")
    run.write_record(RunRecord(choices={"finetune": "unet"}))
    assert train.main(["--cfg", "job", f"run_dir={run.path}", "training.max_train_steps=9"]) == 0
    told = capfd.readouterr().out
    assert "  seed: 7\n" in told and "  max_train_steps: 9\n" in told
    assert "sdexp.finetune.whole.Whole" in told


def test_what_only_changes_cfg_shows_nothing_alone(capfd: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--resolve"]) == 2
    assert "--resolve: shows nothing alone; add it to --cfg job" in capfd.readouterr().err
    assert train.main(["--cfg", "job", "--resolve"]) == 0

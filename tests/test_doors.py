"""The doors as a person uses them: right and wrong commands, exit codes, what is left behind."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sdexp import evaluate, generate, train
from sdexp.engine.train.checkpoint import verify
from sdexp.ground.run import RunFolder, saved_steps
from tests.commands import fault
from tests.conftest import FAST


@pytest.fixture(autouse=True)
def at_home(empty_folder: Path) -> None:
    """Every command starts in an empty folder."""


@pytest.mark.parametrize(
    "override", ["finetune=unett", "training.seed=abc", "model._target_=os.system", "--foo"]
)
def test_a_wrong_configuration_ends_with_2_and_leaves_nothing(
    override: str, capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    fault(capfd, 2, override)
    assert not list(empty_folder.iterdir())


def test_started_by_hand_under_torchrun(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, empty_folder: Path
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert "hardware.num_processes=N" in fault(capfd, 2)
    assert not list(empty_folder.iterdir())


def test_missing_data_and_weights_end_with_65(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    line = fault(capfd, 65, "dataset=imagefolder", "dataset.data_dir=absent", "model=pocket")
    assert "dataset.data_dir=absent" in line
    assert "results.csv" in fault(capfd, 65, "dataset=flickr30k", "model=pocket")
    line = fault(capfd, 65, "finetune=unet", "model=sd14", "evaluation.scorer=pocket-clip")
    assert "model.pretrained_model_name_or_path=CompVis/stable-diffusion-v1-4" in line
    command = ["finetune=unet", "dataset=flickr30k", "metric=[kid,clip_score]"]
    assert train.main(command) == 65
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    keys = ("dataset.data_dir", "evaluation.scorer=", "model.pretrained_model_name_or_path=")
    assert [any(key in line for line in lines) for key in keys] == [True] * 3 and len(lines) == 3
    line = fault(capfd, 65, "evaluation.scorer=openai/clip-vit-base-patch32")
    assert "evaluation.scorer=openai/clip-vit-base-patch32" in line
    assert not list(empty_folder.iterdir())


def test_no_picture_left_ends_with_65_and_leaves_nothing(
    capfd: pytest.CaptureFixture[str], empty_folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = [{"file_name": f"{k}.jpg", "text": "a picture"} for k in range(3)]
    (data / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for k in range(3):
        (data / f"{k}.jpg").write_bytes(b"\xff\xd8 no picture")
    words = ["dataset=imagefolder", f"dataset.data_dir={data}", "model=pocket", "tracker=none"]
    assert "no picture" in fault(capfd, 65, *words)
    assert not [path for path in empty_folder.rglob("*") if path.is_file()]
    assert sorted(path.name for path in data.iterdir()) == [
        "0.jpg",
        "1.jpg",
        "2.jpg",
        "metadata.jsonl",
    ]


def test_a_folder_with_other_files_is_not_touched(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    (empty_folder / "mine").mkdir()
    (empty_folder / "mine" / "thesis.txt").write_text("years of work")
    assert "holds files but no run" in fault(capfd, 2, "run_dir=mine")
    assert [path.name for path in (empty_folder / "mine").iterdir()] == ["thesis.txt"]


def test_runs_are_not_mixed(capfd: pytest.CaptureFixture[str], new_run: Any) -> None:
    run = new_run("old", "training.seed=1", "run_dir=null")
    here = f"run_dir={run.path}"
    line = fault(capfd, 2, *FAST, "training.seed=2", here)
    assert "another configuration (training.seed: 1 -> 2)" in line
    assert "resume=never" in fault(capfd, 2, *FAST, "training.seed=1", here, "resume=never")
    run.change_record(status="finished")
    run.weights.mkdir()
    assert "this run is finished" in fault(capfd, 2, *FAST, "training.seed=1", here)
    with run.lock():
        run.change_record(status="running")
        assert "works in this folder" in fault(capfd, 2, *FAST, "training.seed=1", here)


@pytest.mark.parametrize("door", [evaluate, generate])
def test_doors_need_a_run(door: Any, capfd: pytest.CaptureFixture[str]) -> None:
    other = "prompt=x" if door is generate else "evaluation.seed=1"
    assert "run: a value is missing" in fault(capfd, 2, other, door=door)
    assert "run=absent: no run folder" in fault(capfd, 2, other, "run=absent", door=door)


def test_help_and_config_are_shown_quickly(empty_folder: Path) -> None:
    for argv in (["--help"], ["--cfg", "job"], ["--cfg", "job", "finetune=unet"]):
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            command = [sys.executable, "-m", "sdexp.train", *argv]
            answer = subprocess.run(command, capture_output=True, text=True)
            seconds.append(time.monotonic() - began)
            assert answer.returncode == 0 and "training" in answer.stdout, answer.stderr
        # Four times the promise for an idle machine: tests share theirs.
        assert min(seconds) < 6.0
    assert not list(empty_folder.iterdir())


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_with_76(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    argv = [*FAST, "run_dir=run", "finetune=unet", "optimizer.lr=1e30", "scheduler=constant"]
    assert train.main(argv) == 76
    assert "not finite; stopped before the update" in capfd.readouterr().err
    run = RunFolder(empty_folder / "run")
    assert run.read_record().status == "failed" and not run.weights.exists()
    assert "not finite" in run.report_md.read_text()


@pytest.mark.slow
def test_a_disk_that_takes_no_more_ends_with_74(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    command = [sys.executable, "-m", "sdexp.train", *FAST, "run_dir=run"]
    blocks = ["bash", "-c", 'ulimit -f 100 && exec "$@"', "limited", *command]
    assert subprocess.run(blocks).returncode == 74
    run = RunFolder(empty_folder / "run")
    faults = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(faults) == 1 and "cannot be written" in faults[0]
    assert run.read_record().exit_code == 74 and "cannot be written" in run.report_md.read_text()
    assert subprocess.run(command).returncode == 0 and run.read_record().status == "finished"


@pytest.mark.slow
def test_a_disk_that_fills_up_loses_nothing(
    small_disk: Callable[[str], Path], tiny: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Full in the midst of a training; the same bytes once there is room again."""
    disk = small_disk("8m")
    argv = [*FAST, tiny, "evaluation=none", "training.max_train_steps=60"]
    argv += ["training.checkpointing_steps=5", "training.validation_images_steps=null"]
    command = [sys.executable, "-m", "sdexp.train", *argv, f"run_dir={disk / 'run'}"]
    run = RunFolder(disk / "run")
    with subprocess.Popen(command) as door:
        while door.poll() is None and not (run.checkpoints / "000005").exists():
            time.sleep(0.01)
        with suppress(OSError), (disk / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(4096))
                filler.flush()
        assert door.wait() == 74
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and str(disk) in lines[0]
    kept = max(saved_steps(run.checkpoints))
    assert 5 <= kept < 60
    verify(run.checkpoints / f"{kept:06d}", kept)
    (disk / "filler").unlink()
    assert subprocess.run(command).returncode == 0
    assert train.main([*argv, f"run_dir={tmp_path / 'elsewhere'}"]) == 0
    other = RunFolder(tmp_path / "elsewhere")
    for file in run.weights.iterdir():
        assert file.read_bytes() == (other.weights / file.name).read_bytes()


@pytest.mark.slow
def test_odd_pictures_are_named_and_training_needs_no_evaluation(
    shared_data: Path, empty_folder: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(shared_data / "odd_images", tmp_path / "odd_images")
    for picture in list(data.iterdir()):
        picture.with_suffix(".txt").write_text("an odd picture")
    argv = [
        "debug=fast", "tracker=none", "evaluation=none", "dataset=imagefolder", "run_dir=odd",
        f"dataset.data_dir={data}", "model=pocket",
    ]  # fmt: skip
    assert train.main(argv) == 65
    argv.append("dataset.max_dropped_fraction=0.3")
    assert train.main(argv) == 0
    run = RunFolder(empty_folder / "odd")
    assert not run.scores.exists() and not run.images("original").exists()
    found = run.read_record().data["train"]
    assert found.dropped and found.repaired
    assert "2 pictures dropped, 3 pictures are left" in run.report_html.read_text()
    assert "dropped,picture,truncated.jpg," in run.findings("train").read_text()


@pytest.mark.slow
def test_real_photos_from_end_to_end(shared_data: Path, empty_folder: Path) -> None:
    argv = [
        "debug=fast", "tracker=none", "dataset=imagefolder", "evaluation.num_prompts=2",
        f"dataset.data_dir={shared_data / 'photos'}", "run_dir=photos", "finetune=unet",
        "training.random_flip=true", "training.center_crop=false", "model=pocket",
        "metric=[kid,fd,lpips_gt]",
    ]  # fmt: skip
    assert train.main(argv) == 0
    run = RunFolder(empty_folder / "photos")
    assert json.loads(run.scores.read_text())["n_prompts"] == 2
    assert run.read_record().data["train"].pictures == 11

"""The doors as a person uses them: right and wrong commands, exit codes, what is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sdexp import evaluate, generate, train
from sdexp.ground.run import RunFolder
from sdexp.report import door as report
from sdexp.tracker.jsonl import read
from tests.conftest import FAST
from tests.tracker.offline import history, records, staged_files

# Every stage of a small run, and the default tracker without a key.
WHOLE = [*(o for o in FAST if o != "tracker=none"), "tracker.mode=offline", "optimizer.lr=0.01"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def fault(capfd: pytest.CaptureFixture[str], code: int, *argv: str, door: Any = train) -> str:
    """Run a command that must fail with `code` in one line, and return that line."""
    assert door.main(list(argv)) == code
    captured = capfd.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in captured.err
    return lines[0]


@pytest.mark.parametrize(
    "override", ["finetune=unett", "training.seed=abc", "model._target_=os.system", "-m", "--foo"]
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
    line = fault(capfd, 65, "dataset=imagefolder", "dataset.data_dir=absent")
    assert "dataset.data_dir=absent" in line
    assert "results.csv" in fault(capfd, 65, "dataset=flickr30k", "finetune=unet")
    line = fault(capfd, 65, "finetune=unet", "model=sd14", "evaluation.scorer=pocket-clip")
    assert "model.pretrained_model_name_or_path=CompVis/stable-diffusion-v1-4" in line
    command = ["finetune=unet", "dataset=flickr30k", "model=sd14"]
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
    line = fault(capfd, 65, "dataset=imagefolder", f"dataset.data_dir={data}", "tracker=none")
    assert "no picture" in line
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
    run.update_record(status="finished")
    assert "this run is finished" in fault(capfd, 2, *FAST, "training.seed=1", here)
    with run.lock():
        run.update_record(status="running")
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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A whole run by command line: train, evaluate, report."""
    folder = tmp_path_factory.mktemp("finished")
    environment = os.environ | {"SDEXP_STORE": str(folder / "store")}
    command = [sys.executable, "-m", "sdexp.train", *WHOLE, "run_dir=run"]
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "report: run/report.html" in answer.stdout
    return RunFolder(folder / "run")


def test_a_run_leaves_what_the_design_names(finished: RunFolder) -> None:
    names = {path.name for path in finished.path.iterdir()}
    expected = "config.yaml run.json log.jsonl checkpoints weights images per_image.parquet"
    assert set(f"{expected} scores.json report.html report.md".split()) <= names
    record = finished.read_record()
    assert record["status"] == "finished" and record["exit_code"] == 0
    assert record["evaluation"]["pictures"] == 8
    rows = pq.read_table(finished.per_image).to_pylist()
    assert len(rows) == 2 * 4 and all((finished.path / row["path"]).is_file() for row in rows)
    scores = json.loads(finished.scores.read_text())
    assert set(scores["metrics"]) == {"clip_score", "fid", "kid", "lpips_gt"}
    assert scores["applied"]["changed"] == scores["applied"]["applied"] > 0
    assert scores["primary"] == "kid" and scores["n_prompts"] == 4


def test_the_tracker_has_the_whole_run(finished: RunFolder) -> None:
    configs = [r["run"]["config"]["update"] for r in records(finished) if r["type"] == "run"]
    assert [config["training"]["max_train_steps"] for config in configs] == [4, 4]
    rows = history(finished)
    own = {
        r["step"]: r["value"]
        for r in read(finished.log)
        if r["name"] == "loss" and r["split"] == "train"
    }
    assert {step: rows[step]["train/loss"] for step in own} == own and len(own) == 4
    table = json.loads(staged_files(finished)["evaluation/pairs.table.json"].read_text())
    assert table["columns"][:4] == ["prompt", "replicate", "original", "finetuned"]
    assert len(table["data"]) == 4
    scores = json.loads(finished.scores.read_text())["metrics"]["kid"]
    assert rows[4]["evaluation/kid/finetuned"] == scores["finetuned"]


def test_the_report_is_written_again(
    finished: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    before = finished.report_html.read_bytes()
    finished.report_html.unlink()
    command = [sys.executable, "-m", "sdexp.report", f"run={finished.path}"]
    assert subprocess.run(command).returncode == 0
    assert finished.report_html.read_bytes() == before
    assert f"report: {finished.report_html}" in capfd.readouterr().out
    assert report.main(["run=absent"]) == 2


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_with_76(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    argv = [*FAST, "run_dir=run", "finetune=unet", "optimizer.lr=1e30", "scheduler=constant"]
    assert train.main(argv) == 76
    assert "not finite; stopped before the update" in capfd.readouterr().err
    run = RunFolder(empty_folder / "run")
    assert run.read_record()["status"] == "failed" and not run.weights.exists()
    assert "not finite" in run.report_md.read_text()


@pytest.mark.slow
def test_odd_pictures_are_named_and_training_needs_no_evaluation(
    shared_data: Path, empty_folder: Path
) -> None:
    argv = [
        "debug=fast", "tracker=none", "evaluation=none", "dataset=imagefolder", "run_dir=odd",
        f"dataset.data_dir={shared_data / 'odd_images'}",
    ]  # fmt: skip
    assert train.main(argv) == 0
    run = RunFolder(empty_folder / "odd")
    assert not run.scores.exists() and not run.images("original").exists()
    found = run.read_record()["data"]["train"]
    assert found["dropped"] and found["repaired"]
    assert all(item in run.report_html.read_text() for item, _ in found["dropped"])


@pytest.mark.slow
def test_a_killed_command_goes_on_and_leaves_no_worker(
    finished: RunFolder, empty_folder: Path
) -> None:
    command = [sys.executable, "-m", "sdexp.train", *WHOLE, "run_dir=run"]
    run = RunFolder(empty_folder / "run")
    with subprocess.Popen(command) as door:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not list(run.checkpoints.glob("0*")):
            time.sleep(0.02)
        os.kill(door.pid, signal.SIGKILL)
    assert list(run.checkpoints.glob("0*")) and not run.scores.exists()
    assert subprocess.run(command).returncode == 0
    for part in ("weights", "images"):
        assert files(run.path / part) == files(finished.path / part)
    steps = [(row["split"], row["name"], row["step"]) for row in read(run.log)]
    assert len(steps) == len(set(steps))


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below a folder."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.slow
def test_evaluated_again_as_control(finished: RunFolder) -> None:
    before = finished.scores.read_bytes()
    assert evaluate.main([f"run={finished.path}", "evaluation.control=self"]) == 0
    scores = json.loads(finished.scores.read_text())
    for metric in scores["metrics"].values():
        assert metric["difference"] == 0 and metric["p"] == 1
        assert metric["verdict"] not in ("better", "worse")
    kept = list(finished.previous.glob("*/scores.json"))
    assert [file.read_bytes() for file in kept] == [before]
    assert evaluate.main([f"run={finished.path}", "metric=[kid]", "evaluation.num_prompts=3"]) == 0
    scores = json.loads(finished.scores.read_text())
    assert list(scores["metrics"]) == ["kid"] and scores["n_prompts"] == 3


def test_an_evaluation_cannot_change_the_run(
    finished: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    run = f"run={finished.path}"
    assert "evaluation.sed: no such key" in fault(capfd, 2, run, "evaluation.sed=1", door=evaluate)
    assert "training.seed" in fault(capfd, 2, run, "training.seed=1", door=evaluate)


@pytest.mark.slow
def test_generated_pictures_are_files(finished: RunFolder) -> None:
    argv = [f"run={finished.path}", "prompt=a big red heart", "seeds=[1,2]"]
    assert generate.main([*argv, "num_inference_steps=2"]) == 0
    (folder,) = [path for path in finished.request.parent.iterdir() if path.is_dir()]
    names = sorted(path.name for path in folder.iterdir())
    singles = [f"{model}_{seed}.png" for model in ("finetuned", "original") for seed in (1, 2)]
    assert names == [*singles, "side_by_side.png"]
    pictures = {name: np.asarray(Image.open(folder / name)) for name in names}
    assert (pictures["original_1.png"] != pictures["finetuned_1.png"]).any()
    assert (pictures["original_1.png"] != pictures["original_2.png"]).any()
    assert finished.read_record()["status"] == "finished"
    assert pictures["side_by_side.png"].shape == (2 * 264 + 8, 2 * 264 + 8, 3)


@pytest.mark.slow
def test_real_photos_from_end_to_end(shared_data: Path, empty_folder: Path) -> None:
    argv = [
        "debug=fast", "tracker=none", "dataset=imagefolder", "evaluation.num_prompts=2",
        f"dataset.data_dir={shared_data / 'photos'}", "run_dir=photos", "finetune=unet",
        "training.random_flip=true", "training.center_crop=false",
    ]  # fmt: skip
    assert train.main(argv) == 0
    run = RunFolder(empty_folder / "photos")
    assert json.loads(run.scores.read_text())["n_prompts"] == 2
    assert run.read_record()["data"]["train"]["pictures"] == 11


@pytest.mark.slow
def test_two_processes_do_what_one_does(empty_folder: Path) -> None:
    common = [*FAST, "evaluation=none", "optimizer=sgd", "optimizer.lr=0.1"]
    one = [*common, "run_dir=one", "training.train_batch_size=4"]
    two = [*common, "run_dir=two", "training.train_batch_size=2", "hardware.num_processes=2"]
    assert train.main(one) == 0 and train.main(two) == 0
    logs = [
        {(r["split"], r["name"], r["step"]): r["value"] for r in read(RunFolder(Path(name)).log)}
        for name in ("one", "two")
    ]
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)

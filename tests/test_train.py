"""The door of trainings, with a worker that ends as it is told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sdexp import train
from sdexp.ground.build import read_config
from sdexp.ground.run import RunFolder
from tests.commands import fault
from tests.conftest import FAST
from tests.records import write_log

Told = Callable[[str], Path]
ARGV = [*FAST, "run_dir=mine"]


@pytest.fixture
def run(empty_folder: Path) -> RunFolder:
    """Where the commands of these tests work."""
    return RunFolder(empty_folder / "mine")


def test_a_run_is_trained_evaluated_and_told(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = told_worker("0")
    assert train.main(ARGV) == 0
    assert asked.read_text() == "train evaluate"
    record = run.read_record()
    assert record.status == "finished" and record.command.startswith("python -m sdexp.train debug=")
    told = capfd.readouterr().out.splitlines()
    preset = "preset: pocket_lora; training.train_batch_size=4 optimizer.lr=0.001"
    rest = ["weights: mine/weights", "report: mine/report.html"]
    assert told == ["run folder: mine", preset, *rest]


def test_a_run_that_did_nothing_leaves_no_folder(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    told_worker("65:no picture is left")
    assert train.main(ARGV) == 65
    assert not run.path.exists() and "the folder is removed" in capfd.readouterr().out


def test_a_run_that_failed_on_its_way_is_kept(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    told_worker("76:loss nan")
    assert train.main(ARGV) == 76
    assert "run failed with exit code 76; the folder is kept: mine" in capfd.readouterr().out
    write_log(run.log, [{"step": 1}])
    told_worker("65:the data changed")
    assert train.main(ARGV) == 65 and run.read_record().reason == "loss nan"


def test_an_interrupted_run_says_how_to_go_on(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    told_worker("143:stopped by SIGTERM")
    assert train.main(ARGV) == 143
    assert "stopped; the same command with run_dir=mine goes on" in capfd.readouterr().out


def test_a_run_goes_on_from_its_own_configuration(run: RunFolder, told_worker: Told) -> None:
    told_worker("143:stopped by SIGTERM")
    assert train.main([*ARGV, "finetune.rank=3"]) == 143
    told_worker("76:loss nan")
    write_log(run.log, [{"step": 1}])
    assert train.main(["run_dir=mine"]) == 76
    config = read_config(run.config)
    assert config.finetune.rank == 3 and config.dataset.num_train == 40


def test_another_configuration_is_refused(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    told_worker("143:stopped by SIGTERM")
    assert train.main(ARGV) == 143
    capfd.readouterr()
    assert "(training.seed: 0 -> 3)" in fault(capfd, 2, "run_dir=mine", "training.seed=3")


def test_what_a_person_should_know_is_told_before_the_run(
    run: RunFolder, told_worker: Told, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told_worker("143:stopped by SIGTERM")
    data = tmp_path / "data"
    data.mkdir()
    for number in range(20):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(data / f"{number}.jpg")
    rows = [json.dumps({"file_name": f"{k}.jpg", "text": f"picture {k}"}) for k in range(20)]
    (data / "metadata.jsonl").write_text("\n".join(rows))
    argv = ["debug=fast", "tracker=none", "dataset=imagefolder", "model=pocket", "run_dir=mine"]
    assert train.main([*argv, f"dataset.data_dir={data}"]) == 143
    told = capfd.readouterr()
    assert "metric=offline: chosen by the data, dataset=imagefolder" in told.out
    warnings = [line for line in told.err.splitlines() if "warning: " in line]
    assert "the embedded model knows coloured shapes" in warnings[0] and len(warnings) == 1
    assert run.read_record().warnings == [line.removeprefix("warning: ") for line in warnings]

"""The door that looks at data, with a worker that ends as it is told, and once in earnest."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sdexp import prepare
from sdexp.ground.audit_records import PrepareRequest
from sdexp.ground.build import read_run_config
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from tests.commands import fault
from tests.dataset.hubs import png, row, write_set
from tests.engine.prepare.folders import photos


def test_what_is_asked_for_is_written_for_the_worker(
    empty_folder: Path, told_worker: Callable[[str], Path]
) -> None:
    asked = told_worker("75:out of memory")
    argv = ["run_dir=audit", "dataset.num_train=12", "fill_store=true", "num_beams=2"]
    assert prepare.main(argv) == 75
    run = RunFolder(Path("audit"))
    request = read_record(run.request, PrepareRequest)
    assert (request.fetch, request.captioner, request.fill_store) == (True, None, True)
    assert request.num_beams == 2 and request.command.endswith(
        "sdexp.prepare run_dir=audit dataset.num_train=12 fill_store=true num_beams=2"
    )
    assert read_run_config(run.config).dataset.num_train == 12
    assert asked.read_text() == "prepare"


@pytest.mark.parametrize("code", [65, 143])
def test_what_is_refused_or_interrupted_leaves_nothing(
    empty_folder: Path, told_worker: Callable[[str], Path], code: int
) -> None:
    told_worker(f"{code}:the Hub cannot be reached")
    assert prepare.main([]) == code
    assert not list(Path("outputs").glob("*/*"))


@pytest.mark.parametrize(
    ("argv", "code", "told"),
    [
        (["num_beams=0"], 2, "num_beams=0: allowed is 1 or more"),
        (["min_new_tokens=30"], 2, "min_new_tokens=30: allowed is max_new_tokens=20 or less"),
        (["captioner=x/y"], 2, "captioner: these captions come with the data set"),
        (
            ["fill_store=true", "finetune=text_encoder", "objective=clip_contrastive"],
            2,
            "fill_store=true: this objective looks at pictures, not at latents",
        ),
        (["fill_store=true", "training.center_crop=false"], 2, "fill_store=true: random crops are"),
        (["finetune=unett"], 2, "did you mean 'unet'"),
        (["dataset=imagefolder", "dataset.data_dir=gone"], 65, "the folder does not exist"),
        (["fetsh=true"], 2, "fetsh: no such key"),
    ],
)
def test_faults_are_told_before_anything_is_made(
    empty_folder: Path, argv: list[str], code: int, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert told in fault(capfd, code, *argv, door=prepare)
    assert not Path("outputs").exists()


def test_a_captioner_that_is_not_there_is_told(
    empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("mine").mkdir()
    Path("mine/a.png").write_bytes(png((0, 0, 0)))
    argv = ["dataset=imagefolder", "dataset.data_dir=mine", "captioner=./gone"]
    assert "captioner=./gone: no such folder" in fault(capfd, 65, *argv, door=prepare)


def test_all_faults_are_told_at_once(empty_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert prepare.main(["num_beams=0", "training.resolution=-3"]) == 2
    told = capfd.readouterr().err
    assert "num_beams=0" in told and "training.resolution=-3" in told


@pytest.mark.parametrize(
    "words",
    [
        ["dataset.data_dir=mine", "run_dir=mine/audit"],
        ["dataset.data_dir=mine/inner", "run_dir=mine"],
        ["dataset.data_dir=."],
    ],
)
def test_the_audit_keeps_away_from_the_data(
    empty_folder: Path, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    for folder in (Path("mine/inner"), Path("mine"), Path()):
        folder.mkdir(exist_ok=True, parents=True)
        for k in range(6):
            (folder / f"{k}.png").write_bytes(png((k, 0, 0)))
            (folder / f"{k}.txt").write_text(f"a {k}")
    words = ["dataset=imagefolder", "model=pocket", *words]
    assert "would lie in one folder" in fault(capfd, 2, *words, door=prepare)
    assert Path("mine/inner/0.png").is_file() and not Path("outputs").exists()


def test_what_was_fetched_outlives_a_refusal(
    empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_set(Path("set"), [row(k) for k in range(12)])
    argv = ["dataset=hub", "dataset.path=set", "dataset.data_dir=laid", "run_dir=laid"]
    assert "would lie in one folder" in fault(capfd, 2, *argv, "model=pocket", door=prepare)


def test_a_folder_that_holds_something_is_not_touched(
    empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("mine").mkdir()
    Path("mine/a.txt").write_text("x")
    assert "holds files; name a new or empty folder" in fault(
        capfd, 2, "run_dir=mine", door=prepare
    )


@pytest.mark.slow
def test_a_folder_of_photos_is_audited(empty_folder: Path, tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    argv = ["dataset=imagefolder", f"dataset.data_dir={tmp_path}/photos", "run_dir=audit"]
    assert prepare.main([*argv, "dataset.max_dropped_fraction=0.5", "model=pocket"]) == 0
    run = RunFolder(Path("audit"))
    assert "broken.jpg" in run.audit_page.read_text()
    rows = (run.path / "manifest.jsonl").read_text().splitlines()
    assert {json.loads(one)["split"] for one in rows} == {"train", "val", "test"}


@pytest.mark.slow
def test_a_set_of_parquet_files_is_laid_out(empty_folder: Path, tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(12)])
    argv = ["dataset=hub", f"dataset.path={tmp_path}/set", "dataset.data_dir=laid", "run_dir=audit"]
    assert prepare.main([*argv, "model=pocket"]) == 0
    assert list(Path("laid").glob("set_*/metadata.jsonl"))
    assert "laid out in laid/set_" in RunFolder(Path("audit")).audit_page.read_text()


@pytest.mark.slow
def test_several_processes_fill_the_store(empty_folder: Path, tmp_path: Path) -> None:
    from sdexp import train
    from sdexp.ground.store import Store, default_root

    def entries() -> int:
        return len(list((Store(default_root()).root / "moments").glob("*/*.bin")))

    photos(tmp_path / "photos")
    words = [
        "dataset=imagefolder",
        f"dataset.data_dir={tmp_path}/photos",
        "dataset.max_dropped_fraction=0.5",
        "model=pocket",
        "hardware.num_processes=2",
        "training.train_batch_size=4",
    ]
    assert prepare.main([*words, "fill_store=true"]) == 0
    filled = entries()
    more = ["training.max_train_steps=3", "training.validation_images_steps=null"]
    assert train.main([*words, *more, "evaluation=none", "tracker=none"]) == 0
    assert entries() == filled > 0

"""One whole run by command line, and what the other doors do with it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sdexp import evaluate, generate, report, train
from sdexp.engine.generate.sheet import GAP, LINE
from sdexp.ground.assets import located
from sdexp.ground.record_files import read_record
from sdexp.ground.records import EvaluationRecord
from sdexp.ground.run import MODELS, EvaluationFolder, RunFolder
from tests.commands import WHOLE, fault
from tests.records import logged
from tests.tracker.offline import history, records, staged_files


@pytest.fixture(autouse=True)
def at_home(empty_folder: Path) -> None:
    """Every command starts in an empty folder."""


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
    assert record.status == "finished" and record.exit_code == 0
    assert record.evaluation is not None and record.evaluation.pictures == 8
    rows = pq.read_table(finished.per_image).to_pylist()
    assert len(rows) == 2 * 4 and all((finished.path / row["path"]).is_file() for row in rows)
    scores = json.loads(finished.scores.read_text())
    assert set(scores["metrics"]) == {"clip_score", "fd", "kid", "lpips_gt"}
    assert scores["applied"]["changed"] == scores["applied"]["applied"] > 0
    assert scores["primary"] == "kid" and scores["n_prompts"] == 4


def test_the_tracker_has_the_whole_run(finished: RunFolder) -> None:
    configs = [r["run"]["config"]["update"] for r in records(finished) if r["type"] == "run"]
    (config,) = configs
    assert config["training"]["max_train_steps"] == 4
    rows = history(finished)
    own = {
        r["step"]: r["value"]
        for r in logged(finished.log)
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
    steps = [(row["split"], row["name"], row["step"]) for row in logged(run.log)]
    assert len(steps) == len(set(steps))
    told = [record["history"]["item"] for record in records(run) if record["type"] == "history"]
    assert [row["train/global_step"] for row in told if "train/loss" in row] == [1, 2, 3, 4]


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below a folder."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def later(run: RunFolder) -> EvaluationFolder:
    """The latest evaluation beside the run's own."""
    return EvaluationFolder(max(run.evaluations.iterdir(), key=lambda path: path.stat().st_mtime))


def own(run: RunFolder) -> dict[str, bytes]:
    """The bytes of the run's own evaluation, record and configuration."""
    parts = (run.scores, run.per_image, run.record, run.config)
    pictures = [file for model in MODELS for file in sorted(run.images(model).iterdir())]
    return {str(file.relative_to(run.path)): file.read_bytes() for file in (*parts, *pictures)}


@pytest.mark.slow
def test_evaluations_do_not_overwrite_each_other(finished: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(finished.path, tmp_path / "many"))
    before = own(run)
    assert evaluate.main([f"run={run.path}", "evaluation.control=self"]) == 0
    control = later(run)
    scores = json.loads(control.scores.read_text())
    for metric in scores["metrics"].values():
        assert metric["difference"] == 0 and metric["p"] == 1
        assert metric["verdict"] not in ("better", "worse")
    assert evaluate.main([f"run={run.path}", "metric=[kid]", "evaluation.num_prompts=3"]) == 0
    scores = json.loads(later(run).scores.read_text())
    assert list(scores["metrics"]) == ["kid"] and scores["n_prompts"] == 3
    assert own(run) == before
    page = run.report_html.read_text()
    assert "the original against itself" not in page and "control-self" in page
    assert "the original against itself" in control.report_html.read_text()
    told = read_record(control.evaluation_record, EvaluationRecord)
    assert told.differs == ["evaluation.control: none -> self"] and told.status == "finished"
    keys = {key for row in history(run).values() for key in row}
    assert f"evaluations/{control.path.name}/kid/finetuned" in keys


@pytest.mark.slow
def test_checkpoints_are_scored_side_by_side(finished: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(finished.path, tmp_path / "steps"))
    before = own(run)
    words = [f"run={run.path}", "checkpoints=all", "metric=[kid]"]
    assert evaluate.main(words) == 0
    records = [
        read_record(file, EvaluationRecord)
        for file in sorted(run.evaluations.glob("*/evaluation.json"))
    ]
    assert sorted(str(one.checkpoint) for one in records) == ["2", "4"]
    assert all("evaluation.split: test -> val" in one.differs for one in records)
    assert own(run) == before and "Which checkpoint" in run.report_html.read_text()
    assert evaluate.main(words) == 0
    assert len(list(run.evaluations.glob("*/"))) == 2, "nothing is done twice"
    assert evaluate.main([f"run={run.path}", "checkpoints=[3]"]) == 2


@pytest.mark.slow
def test_a_scorer_named_later_scores_the_prompts(finished: RunFolder, tmp_path: Path) -> None:
    other = shutil.copytree(located("pocket-clip"), tmp_path / "other-clip")
    run = RunFolder(shutil.copytree(finished.path, tmp_path / "scored"))
    assert evaluate.main([f"run={run.path}", f"evaluation.scorer={other}"]) == 0
    scores = json.loads(later(run).scores.read_text())
    judges = {name: metric["backbone"] for name, metric in scores["metrics"].items()}
    assert judges["clip_score"] == str(other) and judges["kid"] == "efficientnet_lite0"


@pytest.mark.slow
def test_a_longer_training_goes_on_and_says_so(finished: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(finished.path, tmp_path / "grown"))
    old = run.scores.read_bytes()
    assert train.main([*WHOLE, f"run_dir={run.path}", "training.max_train_steps=6"]) == 0
    record = run.read_record()
    assert record.status == "finished" and record.grown_from == [4]
    assert record.training is not None
    assert record.training.steps == 6 and record.training.first_step == 5
    assert any(file.read_bytes() == old for file in run.evaluations.glob("*/scores.json"))
    assert run.scores.read_bytes() != old
    assert "first meant to end at step 4" in run.report_html.read_text()


@pytest.mark.slow
def test_a_verdict_on_another_metric_is_told(finished: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(finished.path, tmp_path / "other"))
    assert evaluate.main([f"run={run.path}", "evaluation.primary=clip_score"]) == 0
    assert "evaluation.primary was chosen after the run" in later(run).report_html.read_text()
    assert "chosen after the run" not in run.report_html.read_text()


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
    (folder,) = finished.generated.iterdir()
    names = sorted(path.name for path in folder.glob("*.png"))
    singles = [f"{model}_{seed}.png" for model in ("finetuned", "original") for seed in (1, 2)]
    assert names == [*singles, "seeds_finetuned.png", "seeds_original.png", "side_by_side.png"]
    pictures = {name: np.asarray(Image.open(folder / name)) for name in names}
    assert (pictures["original_1.png"] != pictures["finetuned_1.png"]).any()
    assert (pictures["original_1.png"] != pictures["original_2.png"]).any()
    assert finished.read_record().status == "finished"
    assert pictures["side_by_side.png"].shape == (LINE + GAP + 2 * (LINE + 264), 2 * 264 + 8, 3)


def test_prompts_of_ones_own_are_evaluated(
    finished: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(Path(shutil.copytree(finished.path, "run")))
    Path("p.txt").write_text("a big red heart\na blue star, on stripes\na green ring\n")
    words = ["run=run", "evaluation.prompts=p.txt"]
    assert "metric kid needs; choose others" in fault(capfd, 2, *words, door=evaluate)
    assert (
        evaluate.main([*words, "metric=[clip_score,lpips_diversity]", "evaluation.replicates=2"])
        == 0
    )
    (path,) = run.evaluations.iterdir()
    folder = EvaluationFolder(path)
    rows = pq.read_table(folder.per_image).to_pylist()
    assert len(rows) == 2 * 3 * 2
    assert {row["caption"] for row in rows} == set(Path("p.txt").read_text().splitlines())
    assert not folder.images("reference").exists()
    told = folder.report_md.read_text()
    assert "a blue star, on stripes" in told and "split holds" not in told
    # What was never made is not missed.
    assert "cannot be read" not in told + capfd.readouterr().err
    assert "evaluation.prompts=absent: cannot be read" in fault(
        capfd, 65, "run=run", "evaluation.prompts=absent", "metric=[clip_score]", door=evaluate
    )


def test_every_picture_says_what_it_was_made_by(finished: RunFolder) -> None:
    for kind in (*MODELS, "validation"):
        for file in finished.images(kind).rglob("*.png"):
            with Image.open(file) as picture:
                facts = json.loads(picture.text["sdexp"])
                said = picture.text["parameters"].splitlines()
            assert said[0] == facts["prompt"] and "Steps: " in said[-1]
            assert facts["noise"][1] in file.name or kind == "validation"

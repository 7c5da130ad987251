"""The door of evaluations, with a worker that ends as it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdexp import evaluate
from sdexp.ground.build import read_config
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord
from sdexp.ground.run import EvaluationFolder, RunFolder
from tests.commands import fault
from tests.records import TRAINING, metric, scores

Told = Callable[[str], Path]


@pytest.fixture
def run(new_run: Any, empty_folder: Path) -> RunFolder:
    """A trained run that was not evaluated."""
    made: RunFolder = new_run("run", "evaluation=none")
    made.change_record(status="finished", training=TRAINING)
    made.weights.mkdir()
    return made


def beside(run: RunFolder) -> EvaluationFolder:
    (path,) = run.evaluations.iterdir()
    return EvaluationFolder(path)


def test_the_first_evaluation_is_the_runs_own(
    run: RunFolder, new_run: Any, told_worker: Told
) -> None:
    own: RunFolder = new_run("own")
    own.change_record(status="finished", training=TRAINING)
    own.weights.mkdir()
    asked = told_worker("0")
    assert evaluate.main([f"run={own.path}"]) == 0
    assert asked.read_text() == "evaluate" and not own.evaluations.exists()
    assert own.read_record().command == f"python -m sdexp.evaluate run={own.path}"


def test_every_other_stands_beside_it(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    write_record(run.scores, scores({"kid": metric(9)}))
    before = run.record.read_bytes(), run.scores.read_bytes(), run.config.read_bytes()
    told_worker("0")
    assert evaluate.main([f"run={run.path}", "evaluation.replicates=3"]) == 0
    folder = beside(run)
    assert read_config(folder.config).evaluation.replicates == 3
    assert f"report: {folder.report_html}" in capfd.readouterr().out
    assert (run.record.read_bytes(), run.scores.read_bytes(), run.config.read_bytes()) == before
    record = read_record(folder.evaluation_record, EvaluationRecord)
    assert record.command == f"python -m sdexp.evaluate run={run.path} evaluation.replicates=3"


def test_a_text_with_signs_of_an_interpolation_is_taken_as_it_is(
    run: RunFolder, told_worker: Told
) -> None:
    told_worker("0")
    assert evaluate.main([f"run={run.path}", "evaluation.negative_prompt=a ${x}"]) == 0
    assert read_config(beside(run).config).evaluation.negative_prompt == "a ${x}"


def test_an_interrupted_one_says_how_to_go_on(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    told_worker("143:stopped by SIGTERM")
    assert evaluate.main([f"run={run.path}", "evaluation.replicates=3"]) == 143
    assert capfd.readouterr().out.endswith("stopped; the same command goes on\n")


def test_the_first_of_other_metrics_is_primary(
    run: RunFolder, told_worker: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    told_worker("0")
    assert evaluate.main([f"run={run.path}", "metric=[clip_score,lpips_gt]"]) == 0
    assert read_config(beside(run).config).evaluation.primary == "clip_score"
    words = [f"run={run.path}", "metric=[clip_score]", "evaluation.primary=kid"]
    assert "primary=kid: not among the metrics" in fault(capfd, 2, *words, door=evaluate)


def test_a_scorer_takes_the_place_of_the_runs_own(
    run: RunFolder, told_worker: Told, tiny_clip: str
) -> None:
    told_worker("0")
    assert evaluate.main([f"run={run.path}", f"evaluation.scorer={tiny_clip}"]) == 0
    config = read_config(beside(run).config)
    assert tiny_clip in config.backbone.clip.values() and config.evaluation.enabled


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["training.seed=1"], "training.seed: "),
        (["evaluation=none"], "evaluation=none: there is nothing to evaluate"),
        (["evaluation.sed=1"], "did you mean 'evaluation.seed'?"),
        (["evaluation.seed=-1"], "evaluation.seed=-1: allowed is 0 or more"),
    ],
)
def test_what_an_evaluation_may_not_change_is_refused(
    run: RunFolder, overrides: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert words in fault(capfd, 2, f"run={run.path}", *overrides, door=evaluate)
    assert not run.evaluations.exists()


def test_a_run_without_weights_is_refused(
    run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    run.weights.rmdir()
    assert "its weights are missing" in fault(capfd, 2, f"run={run.path}", door=evaluate)
    run.change_record(status="failed")
    assert "no finished weights" in fault(capfd, 2, f"run={run.path}", door=evaluate)

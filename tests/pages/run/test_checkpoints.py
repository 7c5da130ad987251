from dataclasses import replace

import pytest

from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.pages.run.checkpoints import steps_of
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.page import write_report
from tests.pages.run.folders import beside, scores

# Step: score, lower is better.
CURVE = {100: 30.0, 200: 20.0, 300: 21.0, 400: 40.0}


def scored(run: RunFolder, step: int, value: float, **changes: object) -> None:
    """An evaluation of a step; its interval reaches 2 to each side."""
    difference = value - 50.0
    told = scores(
        finetuned=value, original=50.0, difference=difference,
        ci95=(difference - 2, difference + 2),
    )  # fmt: skip
    folder = beside(run, f"at-{step}", told)
    record = read_record(folder.evaluation_record, EvaluationRecord)
    differs = ["evaluation.split: test -> val", f"evaluation.checkpoint: None -> {step}"]
    values = {"differs": differs, "checkpoint": step} | changes
    write_record(folder.evaluation_record, replace(record, **values))  # type: ignore[arg-type]


@pytest.fixture
def followed(run: RunFolder) -> RunFolder:
    for step, value in CURVE.items():
        scored(run, step, value)
    return run


def test_the_best_step_and_those_that_chance_does_not_tell_from_it(followed: RunFolder) -> None:
    found = steps_of(followed, read_facts(followed))
    assert found is not None
    assert [line.step for line in found.lines] == [100, 200, 300, 400]
    assert [line.best for line in found.lines] == [False, True, False, False]
    assert found.sentence.startswith("Best on kid: step 200 (20.00).")
    assert found.sentence.endswith("Within its 95 % interval lie also 300.")
    assert found.command.endswith("checkpoint=200 evaluation.split=test")
    assert found.differs == ["evaluation.split: test -> val"]


def test_no_step_is_called_best_while_none_is_better(run: RunFolder) -> None:
    for step, value in CURVE.items():
        scored(run, step, value)
    for file in run.evaluations.glob("*/scores.json"):
        told = read_record(file, ScoresRecord)
        open_one = replace(told.primary_metric, verdict="underpowered")
        write_record(file, replace(told, metrics=told.metrics | {"kid": open_one}))
    found = steps_of(run, read_facts(run))
    assert found is not None
    assert found.sentence.startswith("No step is shown to be better than the original on kid; the")
    assert "first of them is step 200 (20.00)" in found.sentence


def test_the_page_shows_the_curve(followed: RunFolder) -> None:
    assert write_report(followed) == []
    page = followed.report_html.read_text()
    assert "Which checkpoint" in page and 'id="steps-figure_1"' in page
    assert page.count("evaluations/at-") >= 4
    assert "Which checkpoint" in followed.report_md.read_text()


def test_steps_scored_in_other_ways_are_not_mixed(followed: RunFolder) -> None:
    other = ["evaluation.seed: 0 -> 5", "evaluation.checkpoint: None -> 500"]
    scored(followed, 500, 1.0, differs=other)
    found = steps_of(followed, read_facts(followed))
    assert found is not None and [line.step for line in found.lines] == [100, 200, 300, 400]


def test_one_step_is_no_curve(run: RunFolder) -> None:
    scored(run, 100, 30.0)
    assert steps_of(run, read_facts(run)) is None
    write_report(run)
    assert "Which checkpoint" not in run.report_html.read_text()

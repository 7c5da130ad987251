from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.record_files import write_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import DriftRecord
from sdexp.pages.run.facts import read_facts, read_scores
from sdexp.pages.run.page import write_report
from sdexp.pages.run.verdict import drift_lines, meaning, verdict_lines
from tests.pages.run.folders import scores
from tests.records import metric


@pytest.mark.parametrize(
    "verdict, sentence",
    [
        ("better", "better on kid"),
        ("worse", "worse on kid"),
        ("no evidence", "No evidence of a difference on kid that matters"),
        ("too small to matter", "Any difference on kid is too small to matter"),
        ("underpowered", "Too few prompts to tell about kid"),
    ],
)
def test_every_verdict_has_its_sentence(run: RunFolder, verdict: str, sentence: str) -> None:
    write_record(run.scores, scores(verdict=verdict))
    assert sentence in verdict_lines(read_facts(run))[1]


UNDERPOWERED = {"verdict": "underpowered", "p": 0.3}


@pytest.mark.parametrize(
    "values, words",
    [
        ({"verdict": "better"}, "and at least the 0.500 (smallest_effect) that was declared"),
        ({"verdict": "too small to matter"}, "interval lies within 0.500 (smallest_effect) of no"),
        ({"verdict": "no evidence", "p": 0.3}, "would probably have been seen; none was"),
        ({"verdict": "no evidence", "p": 0.01}, "but it is not shown to be as large as the 0.500"),
        (
            UNDERPOWERED | {"needed_prompts": 40},
            "About 40 prompts find it in nine of ten repeats, about 33 s of evaluation. Set "
            "evaluation.num_prompts=40.",
        ),
        (
            UNDERPOWERED | {"needed_prompts": 400},
            "about 6 min of evaluation. The split holds 50 pictures: it cannot tell; a larger",
        ),
        (UNDERPOWERED | {"needed_prompts": None}, "No number of prompts is enough for so small"),
        (
            UNDERPOWERED | {"least_p": 0.5, "needed_prompts": 6},
            "With 12 prompts no p can be below 0.05; with 6 it can.",
        ),
    ],
)
def test_what_a_verdict_can_mean(values: dict[str, Any], words: str) -> None:
    told = replace(scores(), metrics={"kid": metric(90.0, **values)})
    assert words in meaning(told, seconds=10.0)
    asks_for_more = "evaluation.num_prompts=" in meaning(told, seconds=10.0)
    assert asks_for_more == (values.get("needed_prompts") == 40)


def test_prompts_of_ones_own_have_no_split() -> None:
    told = replace(
        scores(), n_split=0, metrics={"kid": metric(90.0, **UNDERPOWERED | {"needed_prompts": 400})}
    )
    words = meaning(told, seconds=10.0)
    assert "More lines in the file of evaluation.prompts" in words and "split" not in words


def test_a_control_is_no_verdict(run: RunFolder) -> None:
    control = replace(scores(), control="self", applied=None)
    write_record(run.scores, control)
    write_report(run)
    page = run.report_html.read_text()
    assert "the original against itself" in page and "is better on" not in page
    assert "kid, clip_score, fid differ: do not trust" in page
    same = {name: replace(metric, difference=0.0) for name, metric in control.metrics.items()}
    write_record(run.scores, replace(control, metrics=same))
    assert "every difference is exactly 0" in verdict_lines(read_facts(run))[2]


@pytest.mark.parametrize(
    "status, stage, sentence",
    [
        ("failed", "train", "The run failed."),
        ("failed", "evaluate", "Trained; the evaluation failed."),
        ("running", "train", "The run is not finished."),
        ("running", "evaluate", "Trained; the evaluation is not finished."),
    ],
)
def test_an_unfinished_run_has_no_verdict(
    run: RunFolder, status: str, stage: str, sentence: str
) -> None:
    run.change_record(status=status, stage=stage, reason="the disk is full")
    assert verdict_lines(read_facts(run))[1] == sentence


def test_the_page_of_one_run_tells_its_drift(sweep: Path) -> None:
    written = read_scores(sweep / "0" / "scores.json")
    drift = {"lpips_gt": DriftRecord(0.5, (0.4, 0.6), "pocket-clip")}
    (line,) = drift_lines(replace(written, drift=drift))
    assert line.startswith("lpips_gt with pocket-clip between") and "0.400 to 0.600" in line
    assert "how far the model moved, not whether for better" in line
    assert drift_lines(replace(written, drift={})) == []

from dataclasses import replace

from PIL import Image

from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord, ToldRecord
from sdexp.ground.rows import read_rows
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import (
    CopyingRecord,
    DriftRecord,
    GuardsRecord,
    ScoresRecord,
    ShareRecord,
)
from sdexp.tracker.findings import findings
from tests.records import metric
from tests.tracker.folders import evaluate


def test_an_evaluation_is_found_once_it_is_whole(run: RunFolder) -> None:
    evaluate(run, 6.0)
    evaluate(run, 5.0, "later")
    own, later = findings(run, {})
    assert (own.key, own.step) == ("evaluation", None)
    assert own.values["evaluation/kid/finetuned"] == 6.0
    assert later.table is not None and own.table is not None
    assert later.key == "evaluations/later" and later.table.name == "evaluations/later/pairs"
    assert own.values["evaluation/kid/ci95_low"] == -95.0
    assert own.table.columns[:4] == ["prompt", "replicate", "original", "finetuned"]
    assert all(len(row) == len(own.table.columns) for row in own.table.rows) and own.table.rows
    file = run.evaluation("later").evaluation_record
    write_record(file, replace(read_record(file, EvaluationRecord), evaluation=None))
    assert [one.key for one in findings(run, {})] == ["evaluation"]


def test_guards_drift_and_real_pictures_are_told(run: RunFolder) -> None:
    evaluate(run, 6.0)
    scores = read_record(run.scores, ScoresRecord)
    nothing = ShareRecord(0.25, (0.1, 0.5))
    guards = GuardsRecord(
        general={"clip_score": metric(61.0, up=True)},
        copying=CopyingRecord(nothing, nothing, 0.02, 0.01, 0.5, 0.5, 40, 40, "x", "y", []),
    )
    drift = {"lpips_gt": DriftRecord(0.3, None, "alexnet")}
    write_record(run.scores, replace(scores, guards=guards, drift=drift))
    for row in read_rows(run.per_image):
        file = run.images("reference") / f"{row.prompt_id}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(file)
    (found,) = findings(run, {})
    assert found.values["evaluation/drift/lpips_gt"] == 0.3
    assert found.values["evaluation/general/clip_score/difference"] == -39.0
    assert found.values["evaluation/copies/share"] == 0.25
    assert found.table is not None
    assert found.table.columns[2:5] == ["original", "finetuned", "real"]
    assert all(isinstance(row[4], Image.Image) for row in found.table.rows)


def test_what_is_held_is_not_found_again_unless_it_changed(run: RunFolder) -> None:
    evaluate(run, 6.0)
    write_record(run.told, ToldRecord({}, {}, "runs", ["a"], [[1], [2]]))
    held = {one.key: one.digest for one in findings(run, {})}
    assert set(held) == {"evaluation", ""} and not list(findings(run, held))
    write_record(run.told, ToldRecord({}, {}, "runs", ["a"], [[1]]))
    (changed,) = findings(run, held)
    assert changed.table is not None and changed.values == changed.words == {}
    assert changed.table.rows == [[1]] and changed.table.name == "runs"

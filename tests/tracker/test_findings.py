from dataclasses import replace

from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord, ToldRecord
from sdexp.ground.run import RunFolder
from sdexp.tracker.findings import findings
from tests.tracker.folders import evaluate


def test_an_evaluation_is_found_once_it_is_whole(run: RunFolder) -> None:
    evaluate(run, 6.0)
    evaluate(run, 5.0, "later")
    own, later = findings(run, {})
    assert (own.key, own.step) == ("evaluation", None)
    assert own.values["evaluation/kid/finetuned"] == 6.0
    assert later.key == "evaluations/later" and later.table == "evaluations/later/pairs"
    assert own.columns[:4] == ["prompt", "replicate", "original", "finetuned"]
    assert all(len(row) == len(own.columns) for row in own.rows) and own.rows
    file = run.evaluation("later").evaluation_record
    write_record(file, replace(read_record(file, EvaluationRecord), evaluation=None))
    assert [one.key for one in findings(run, {})] == ["evaluation"]


def test_what_is_held_is_not_found_again_unless_it_changed(run: RunFolder) -> None:
    evaluate(run, 6.0)
    write_record(run.told, ToldRecord({}, {}, "runs", ["a"], [[1], [2]]))
    held = {one.key: one.digest for one in findings(run, {})}
    assert set(held) == {"evaluation", ""} and not list(findings(run, held))
    write_record(run.told, ToldRecord({}, {}, "runs", ["a"], [[1]]))
    (changed,) = findings(run, held)
    assert changed.rows == [[1]] and changed.values == {} and changed.table == "runs"

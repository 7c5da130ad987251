from dataclasses import replace
from pathlib import Path

import pytest

from sdexp.ground.pending import (
    adopt,
    config_at_work,
    drop,
    record_at_work,
    set_results_aside,
)
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord, RunRecord
from sdexp.ground.run import RunFolder
from tests.records import FINISHED, metric, scores


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    run.config.write_text("old: 1\n")
    run.write_record(FINISHED)
    return run


def go_on(run: RunFolder) -> RunRecord:
    record = replace(FINISHED, status="running", stage="train", grown_from=[4])
    write_record(run.pending_record, record)
    run.pending_config.write_text("new: 1\n")
    return record


def test_what_is_pending_becomes_the_runs_own(run: RunFolder) -> None:
    record = go_on(run)
    assert record_at_work(run) == record and config_at_work(run) == run.pending_config
    assert run.read_record() == FINISHED
    adopt(run)
    assert run.read_record() == record and run.config.read_text() == "new: 1\n"
    assert config_at_work(run) == run.config and not drop(run)


def test_what_is_dropped_leaves_the_run_as_it_was(run: RunFolder) -> None:
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    go_on(run)
    assert drop(run)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
    adopt(run)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_results_are_kept_and_half_made_ones_are_not(run: RunFolder) -> None:
    for whole in (False, True):
        (run.images("original") / "deep").mkdir(parents=True)
        (run.images("validation") / "000000").mkdir(parents=True, exist_ok=True)
        if whole:
            write_record(run.scores, scores({"kid": metric(3.0)}))
        go_on(run)
        run.write_record(FINISHED)
        adopt(run)
        assert not run.scores.exists() and not run.images("original").exists()
        assert run.images("validation").is_dir()
        assert run.evaluations.exists() == whole
    (path,) = run.evaluations.iterdir()
    kept = run.evaluation(path.name)
    assert path.name.endswith("steps-100") and kept.scores.is_file()
    assert (kept.images("original") / "deep").is_dir() and kept.config.is_file()
    told = read_record(kept.evaluation_record, EvaluationRecord)
    assert told.steps == 100 and told.status == "finished"


def test_votes_are_set_aside_with_the_pictures_and_never_lost(run: RunFolder) -> None:
    """They were about the weights of before."""
    run.votes.write_text("a vote\n")
    set_results_aside(run, run.read_record())
    assert run.votes.read_text() == "a vote\n", "there was no evaluation to go with"
    run.scores.write_text("{}")
    set_results_aside(run, run.read_record())
    (kept,) = run.evaluations.iterdir()
    assert (kept / "votes.jsonl").read_text() == "a vote\n" and not run.votes.exists()

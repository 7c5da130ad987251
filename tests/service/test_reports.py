import os
from pathlib import Path

import pytest

from sdexp.ground.run import RunFolder
from sdexp.ground.votes import Vote, add_vote
from sdexp.pages.run.page import write_report
from sdexp.service.found import FoundRun
from sdexp.service.refusals import Refusal
from sdexp.service.reports import file_of, report_of
from tests import records


@pytest.fixture
def found(tmp_path: Path) -> FoundRun:
    """A run with a report, and with files around that nobody is to see."""
    run = RunFolder(tmp_path / "run")
    for folder in ("weights", "images/original", "evaluations/other"):
        (run.path / folder).mkdir(parents=True)
    for name in ("weights/unet.safetensors", "images/original/p_0.png", "images/secret.txt",
                 "evaluations/other/scores.json", ".lock"):  # fmt: skip
        (run.path / name).write_bytes(name.encode())
    (tmp_path / "outside.png").write_bytes(b"outside")
    run.config.write_text(records.config_text("training:\n  seed: 0\n"))
    run.write_record(records.FINISHED)
    write_report(run)
    return FoundRun("run", run, records.FINISHED, None, None, None)


def test_a_report_has_the_votes_that_came_since(found: FoundRun) -> None:
    before = report_of(found)
    assert before == found.run.report_html.read_bytes() and b"blind votes" not in before
    add_vote(found.run.votes, Vote("p", 0, "finetuned", "original", 1.0))
    later = found.run.report_html.stat().st_mtime + 5
    os.utime(found.run.votes, (later, later))
    found.run.report_html.touch()
    os.utime(found.run.votes)
    os.utime(found.run.report_html, (later - 60, later - 60))
    report_of(found)
    assert found.run.report_html.stat().st_mtime > later - 60
    found.run.report_html.unlink()
    with pytest.raises(Refusal) as caught:
        report_of(found)
    assert caught.value.status == 404


def test_files_that_a_report_points_to_are_given_with_their_kind(found: FoundRun) -> None:
    assert file_of(found, "images/original/p_0.png") == (b"images/original/p_0.png", "image/png")
    data, kind = file_of(found, "config.yaml")
    assert data == found.run.config.read_bytes() and kind.startswith("text/plain")
    assert file_of(found, "evaluations/other/scores.json")[1] == "application/json"


@pytest.mark.parametrize(
    "name",
    [
        "weights/unet.safetensors",
        "images/secret.txt",
        ".lock",
        "",
        ".",
        "..",
        "../outside.png",
        "images/../config.yaml",
        "images/original/../../../outside.png",
        "/etc/passwd",
        "config.yaml\0",
        "CONFIG.YAML",
    ],
)
def test_any_other_name_is_none(found: FoundRun, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        file_of(found, name)
    assert caught.value.status == 404

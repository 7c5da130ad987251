import json
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.pages.sweep.facts import read_runs, read_sweep
from sdexp.pages.sweep.page import write_pages, write_sweep_report
from sdexp.pages.sweep.protocols import protocols
from tests import records
from tests.pages.sweep_folders import Page, make_run, metric, scores, table


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Three runs over one data set, one over another, and one with more prompts."""
    values = {"a": ("1e-3", 30.0), "b": ("1e-4", 40.0), "c": ("1e-5", 50.0)}
    for name, (lr, value) in values.items():
        make_run(tmp_path / name, 1, scores(kid=metric(value)), lr)
    other = make_run(tmp_path / "d", 1, scores(kid=metric(1.0)), "1e-3")
    other.change_record(data={"test": records.split("n" * 64)})
    more = make_run(tmp_path / "e", 1, scores(kid=metric(2.0)), "1e-3")
    file = more.scores
    file.write_text(json.dumps(json.loads(file.read_text()) | {"n_prompts": 99}))
    return tmp_path


def test_only_what_was_scored_in_one_way_is_ranked(mixed: Path) -> None:
    first, *others = protocols(read_sweep(mixed))
    assert (first.letter, first.jobs) == ("A", [0, 1, 2])
    assert sorted(job for way in others for job in way.jobs) == [3, 4]
    assert first.sentence == "Best on kid: lr=1e-3." and "30.00" in first.numbers
    assert all("One configuration was scored" in way.sentence for way in others)
    assert "(mmmmmmmm)" in first.words and "(nnnnnnnn)" in others[0].words + others[1].words


def test_the_page_ranks_each_way_by_itself(mixed: Path) -> None:
    write_sweep_report(mixed)
    page = Page(mixed)
    assert "Scored in 3 different ways: each is ranked by itself." in page.text
    assert "A: Best on kid: lr=1e-3." in page.text
    assert "Best" not in page.text.partition("A: Best")[0], "nothing leads over all of them"
    (head, *rows) = page.tables["jobs"]
    assert head[1] == "scored"
    assert sorted(row[1] for row in rows) == ["A", "A", "A", "B", "C"]
    assert "## A: Best on kid" in (mixed / "report.md").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        lambda told: told["metrics"]["kid"].update(backbone_sha256="z" * 64),
        lambda told: told.update(replicates=7),
        lambda told: told["sampling"].update(guidance_scale=9.0),
    ],
)
def test_another_judge_or_sampling_is_another_way(mixed: Path, changes: Any) -> None:
    file = mixed / "c" / "scores.json"
    told = json.loads(file.read_text())
    changes(told)
    file.write_text(json.dumps(told))
    assert protocols(read_sweep(mixed))[0].jobs == [0, 1]


def test_one_way_needs_no_letters(mixed: Path, tmp_path: Path) -> None:
    runs = read_runs(tmp_path / "page", [mixed / "a", mixed / "b"])
    assert len(protocols(runs)) == 1
    (tmp_path / "page").mkdir()
    write_pages(runs, "runs=[a,b]")
    page = Page(tmp_path / "page")
    assert "Best on kid: lr=1e-3." in page.text and page.tables["jobs"][0][1] == "lr"
    assert "python -m sdexp.report" in page.text or "runs=[a,b]" not in page.text
    assert [row["run_folder"] for row in table(tmp_path / "page")] == [
        str(mixed / "a"), str(mixed / "b")
    ]  # fmt: skip
    assert "../a/report.html" not in page.links, "there is no such page yet"


def test_runs_are_read_wherever_they_lie(mixed: Path, tmp_path: Path) -> None:
    runs = read_runs(tmp_path, [mixed / "e", mixed])
    assert [job.run.path.name for job in runs.jobs] == ["e", "a", "b", "c", "d", "e"]
    with pytest.raises(ConfigError, match="no run folder in it"):
        read_runs(tmp_path, [tmp_path / "nothing"])


def test_a_run_that_was_not_scored_has_no_letter(mixed: Path) -> None:
    make_run(mixed / "f", 1, None)
    ways = protocols(read_sweep(mixed))
    assert 5 not in [job for way in ways for job in way.jobs]
    write_sweep_report(mixed)
    assert Page(mixed).tables["jobs"][-1][1] == "-"


def test_a_control_is_in_no_ranking(mixed: Path) -> None:
    file = mixed / "a" / "scores.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"control": "self"}))
    assert protocols(read_sweep(mixed))[0].sentence == "Best on kid: lr=1e-4."

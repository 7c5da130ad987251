"""Which configuration is called the best."""

import json
from pathlib import Path

import pytest

from sdexp.ground.rows import PromptRow, write_prompt_rows
from sdexp.ground.run import MODELS, RunFolder
from sdexp.pages.sweep.facts import Sweep, read_sweep
from sdexp.pages.sweep.leads import Standing, standing_of
from sdexp.pages.sweep.page import write_sweep_report
from sdexp.pages.sweep.ranking import grouped
from sdexp.pages.sweep.winner import best_line, doubts, seed_rows
from tests.pages.sweep_folders import Page, job, make_run, metric, scores, write_record


def stand(sweep: Sweep) -> Standing | None:
    return standing_of(sweep, grouped(sweep))


def test_the_lead_is_held_against_the_seeds(sweep: Path) -> None:
    found = read_sweep(sweep)
    lines = doubts(stand(found))
    assert "lead over the second (lr=1e-4) is 21.00, larger than the spread" in lines[0]
    assert "(standard deviation 4.243); the ranges over the seeds do not overlap" in lines[0]
    assert "By the same prompts it is lower than every other" in lines[1]
    assert "winner's curse" in lines[2] and "evaluation.split=val" in lines[2]
    worse = json.loads((sweep / "2" / "scores.json").read_text())
    worse["metrics"]["kid"]["finetuned"] = 20.0
    (sweep / "2" / "scores.json").write_text(json.dumps(worse))
    found = read_sweep(sweep)
    assert "not larger than the spread of the seeds" in doubts(stand(found))[0]


@pytest.mark.parametrize(
    "second, words",
    [(31.0, "intervals overlap"), (33.0, "do not overlap"), (None, "has no interval")],
)
def test_with_one_seed_only_intervals_speak(
    tmp_path: Path, second: float | None, words: str
) -> None:
    other = metric(second) if second else metric(33.0, ci95=None)
    make_run(tmp_path / "0", 1, scores(kid=metric(30.0)))
    make_run(tmp_path / "1", 1, scores(kid=other))
    (tmp_path / "1" / "per_prompt.parquet").unlink()
    write_record(tmp_path, [job(0, "a=1"), job(1, "a=2")])
    found = read_sweep(tmp_path)
    lines = doubts(stand(found))
    assert words in lines[0] and "another training seed" in lines[-1]
    assert seed_rows(found, stand(found)) == []


def test_a_control_is_not_ranked(tmp_path: Path) -> None:
    make_run(tmp_path / "0", 1, scores(kid=metric(30.0)))
    make_run(tmp_path / "1", 1, scores(kid=metric(1.0)) | {"control": "self"})
    write_record(tmp_path, [job(0, "evaluation.control=none"), job(1, "evaluation.control=self")])
    found = read_sweep(tmp_path)
    assert best_line(found, stand(found)) == "One configuration was scored: control=none."
    write_sweep_report(tmp_path)
    assert Page(tmp_path).tables["jobs"][2][2].endswith("control")


@pytest.mark.parametrize(
    "values, wins",
    [
        ({"p": 0.001}, True),
        ({"p": 0.02}, False),
        ({"verdict": "too small to matter"}, False),
        ({"verdict": "underpowered", "p": 0.3}, False),
    ],
)
def test_no_winner_while_none_is_better(
    tmp_path: Path, values: dict[str, object], wins: bool
) -> None:
    """Three runs: a p of 0.02 is 0.06 after Holm's correction."""
    make_run(tmp_path / "0", 1, scores(kid=metric(30.0, **values)))
    for number in (1, 2):
        worse = metric(99.0 + number, verdict="no evidence", p=0.5)
        make_run(tmp_path / str(number), 1, scores(kid=worse))
    write_record(tmp_path, [job(n, f"a={n}") for n in range(3)])
    found = read_sweep(tmp_path)
    standing = stand(found)
    assert standing is not None and standing.named == wins
    write_sweep_report(tmp_path)
    if wins:
        assert best_line(found, stand(found)) == "Best on kid: a=0."
    else:
        assert best_line(found, stand(found)) == (
            "No winner yet: none is better than the original on kid."
        )
        assert "first in the order is a=0 (30.00), but a best one must" in doubts(stand(found))[0]
        assert "0 best" not in (tmp_path / "report.md").read_text()


def make_runs(folder: Path, shifts: list[float]) -> None:
    """Runs that all beat the original, with 40 prompts whose values are a run's shift and noise."""
    for number, shift in enumerate(shifts):
        run: RunFolder = make_run(folder / str(number), 1, scores(kid=metric(30.0 + shift)))
        rows = [
            PromptRow(f"id{k}", model, {"kid": 30.0 + shift + ((k * 7 + number * 3) % 11) - 5})
            for model in MODELS
            for k in range(40)
        ]
        write_prompt_rows(run.per_prompt, rows)
    write_record(folder, [job(n, f"a={n}") for n in range(len(shifts))])


def test_the_best_is_named_where_the_same_prompts_show_its_lead(tmp_path: Path) -> None:
    make_runs(tmp_path, [5.0, 0.0, 6.0])
    found = read_sweep(tmp_path)
    assert best_line(found, stand(found)) == "Best on kid: a=1."
    told = " ".join(doubts(stand(found)))
    assert "By the same prompts it is lower than every other, also after Holm's" in told
    assert "winner's curse" in told
    write_sweep_report(tmp_path)
    assert Page(tmp_path).tables["jobs"][2][0] == "1 best"


def test_none_is_named_among_equals(tmp_path: Path) -> None:
    make_runs(tmp_path, [0.2, 0.0, 6.0])
    found = read_sweep(tmp_path)
    told = best_line(found, stand(found))
    assert told == "3 of 3 are better than the original on kid; none is shown to lead."
    line = next(line for line in doubts(stand(found)) if "is not shown by the same" in line)
    assert "That a=1 is lower than these" in line and "a=0 (p " in line and "a=2" not in line
    write_sweep_report(tmp_path)
    assert "best" not in Page(tmp_path).tables["jobs"][2][0]


def test_runs_of_other_prompts_are_not_paired(tmp_path: Path) -> None:
    """Then only intervals speak, and none is called the best."""
    make_runs(tmp_path, [5.0, 0.0])
    other = RunFolder(tmp_path / "0")
    rows = [PromptRow(f"other{k}", model, {"kid": 1.0}) for model in MODELS for k in range(40)]
    write_prompt_rows(other.per_prompt, rows)
    found = read_sweep(tmp_path)
    told = " ".join(doubts(stand(found)))
    assert "Their 95 % intervals" in told and "By the same prompts" not in told
    assert best_line(found, stand(found)).endswith("none is shown to lead.")

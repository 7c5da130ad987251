"""Which run is best, and what may be held beside what."""

import json
import random
from pathlib import Path

import pytest

from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.page import write_sweep_report
from sdexp.pages.sweep.ranking import (
    best_line,
    doubts,
    grouped,
    is_better,
    pareto,
    ranked,
    seed_rows,
)
from tests.pages.sweep_folders import Page, job, make_run, metric, scores, told, write_record


def test_the_lead_is_held_against_the_seeds(sweep: Path) -> None:
    found = read_sweep(sweep)
    lines = doubts(found, grouped(found))
    assert "lead over the second (lr=1e-4) is 21.00, larger than the spread" in lines[0]
    assert "(standard deviation 4.243); the ranges over the seeds do not overlap" in lines[0]
    assert "winner's curse" in lines[1] and "evaluation.split=val" in lines[1]
    worse = json.loads((sweep / "2" / "scores.json").read_text())
    worse["metrics"]["kid"]["finetuned"] = 20.0
    (sweep / "2" / "scores.json").write_text(json.dumps(worse))
    found = read_sweep(sweep)
    assert "not larger than the spread of the seeds" in doubts(found, grouped(found))[0]


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
    write_record(tmp_path, [job(0, "a=1"), job(1, "a=2")])
    found = read_sweep(tmp_path)
    lines = doubts(found, grouped(found))
    assert words in lines[0] and "another training seed" in lines[-1]
    assert seed_rows(found, grouped(found)) == []


def test_the_same_seed_twice_counts_once(tmp_path: Path) -> None:
    for number, seed in enumerate((1, 1, 2)):
        make_run(tmp_path / str(number), seed, scores(kid=metric(30.0 + number)))
    write_record(tmp_path, [job(n, f"training.seed={s}") for n, s in enumerate((1, 1, 2))])
    found = read_sweep(tmp_path)
    (group,) = grouped(found)
    spread = group.column("kid", "finetuned")
    assert spread is not None and spread.n == 2 and spread.mean == 31.0
    assert any("each seed counts once" in line for line in told(tmp_path))


def test_the_better_direction_is_the_metrics(tmp_path: Path) -> None:
    for number, value in enumerate((101.0, 105.0, 103.0)):
        make_run(tmp_path / str(number), 1, scores(clip=metric(value, up=True)))
    write_record(tmp_path, [job(n, f"a={n}") for n in range(3)])
    groups = grouped(read_sweep(tmp_path))
    assert [g.label for g in ranked(groups, "clip")] == ["a=1", "a=2", "a=0"]


def test_the_front_is_what_brute_force_finds() -> None:
    rng = random.Random(0)
    for _ in range(50):
        points = [(float(rng.randint(0, 6)), float(rng.randint(0, 6))) for _ in range(12)]
        beaten = set()
        for i, a in enumerate(points):
            for b in points:
                if b != a and b[0] <= a[0] and b[1] <= a[1]:
                    beaten.add(i)
        assert pareto(points) == [i for i in range(12) if i not in beaten]


def test_metrics_may_differ_between_runs(tmp_path: Path) -> None:
    make_run(tmp_path / "0", 1, scores(kid=metric(30.0)))
    make_run(tmp_path / "1", 1, scores(clip=metric(103.0, up=True)))
    write_record(tmp_path, [job(0, "a=1"), job(1, "a=2")])
    write_sweep_report(tmp_path)
    rows = Page(tmp_path).tables["jobs"]
    assert rows[1][3] == "-" and rows[2][2] == "-" and "103.0" in rows[2][3]
    lines = told(tmp_path)
    assert "job 1: not scored by kid" in lines and "job 0: not scored by clip" in lines
    assert any("different primary metrics (clip, kid); kid ranks them" in x for x in lines)


def test_a_control_is_not_ranked(tmp_path: Path) -> None:
    make_run(tmp_path / "0", 1, scores(kid=metric(30.0)))
    make_run(tmp_path / "1", 1, scores(kid=metric(1.0)) | {"control": "self"})
    write_record(tmp_path, [job(0, "evaluation.control=none"), job(1, "evaluation.control=self")])
    found = read_sweep(tmp_path)
    assert best_line(found, grouped(found)) == "One configuration was scored: control=none."
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
    groups = grouped(found)
    assert is_better(groups[0], groups, "kid") == wins
    write_sweep_report(tmp_path)
    if wins:
        assert best_line(found, groups) == "Best on kid: a=0."
    else:
        assert best_line(found, groups) == (
            "No winner yet: none is better than the original on kid."
        )
        assert "first in the order is a=0 (30.00), but a best one must" in doubts(found, groups)[0]
        assert "0 best" not in (tmp_path / "report.md").read_text()

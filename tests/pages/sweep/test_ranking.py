"""The order of runs, and what may be held beside what."""

import random
from pathlib import Path

from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.page import write_sweep_report
from sdexp.pages.sweep.ranking import grouped, pareto, ranked
from tests.pages.sweep_folders import Page, job, make_run, metric, scores, told, write_record


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

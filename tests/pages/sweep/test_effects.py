from pathlib import Path

import pytest

from sdexp.pages.sweep.effects import main_effects
from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.page import write_sweep_report
from sdexp.pages.sweep.ranking import grouped
from tests.pages.sweep_folders import Page, job, make_run, metric, scores, write_record

GRID = {("1e-3", "4"): 30.0, ("1e-3", "8"): 40.0, ("1e-4", "4"): 60.0, ("1e-4", "8"): 90.0}


def make_grid(folder: Path, grid: dict[tuple[str, str], float]) -> None:
    jobs = []
    for number, ((lr, rank), value) in enumerate(grid.items()):
        make_run(folder / str(number), 1, scores(kid=metric(value)), lr)
        jobs.append(job(number, f"optimizer.lr={lr}", f"finetune.rank={rank}"))
    write_record(folder, jobs)


def test_a_value_is_averaged_over_the_other_keys(tmp_path: Path) -> None:
    make_grid(tmp_path, GRID)
    sweep = read_sweep(tmp_path)
    effects = main_effects(sweep, grouped(sweep))
    assert effects is not None and effects.balanced
    means = {(line.key, line.value): line.finetuned.mean for line in effects.lines}
    assert means == pytest.approx(
        {("lr", "1e-3"): 35, ("lr", "1e-4"): 75, ("rank", "4"): 45, ("rank", "8"): 65}
    )
    assert {line.jobs for line in effects.lines if line.key == "rank"} == {"0, 2", "1, 3"}
    write_sweep_report(tmp_path)
    page = Page(tmp_path)
    assert page.tables["effects"][1][:4] == ["lr", "1e-3", "0, 1", "35.00"]
    assert "Every combination of values was scored equally often" in page.text


def test_what_is_no_grid_says_so(tmp_path: Path) -> None:
    make_grid(tmp_path, dict(list(GRID.items())[:3]))
    sweep = read_sweep(tmp_path)
    effects = main_effects(sweep, grouped(sweep))
    assert effects is not None and not effects.balanced
    write_sweep_report(tmp_path)
    assert "also carries what the other keys did" in Page(tmp_path).text


def test_one_key_has_nothing_to_be_averaged_over(sweep: Path) -> None:
    found = read_sweep(sweep)
    assert main_effects(found, grouped(found)) is None

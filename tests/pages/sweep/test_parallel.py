from pathlib import Path

from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.parallel import parallel_figure
from tests.pages.sweep.test_effects import GRID, make_grid


def test_every_run_is_a_line_through_its_values(tmp_path: Path) -> None:
    make_grid(tmp_path, GRID)
    svg, words = parallel_figure(read_sweep(tmp_path))
    assert svg.startswith('<svg role="img"') and "the better on kid the higher" in words
    for text in ("1e-3", "1e-4", "rank", "30.00", "90.00"):
        assert text in svg
    assert svg == parallel_figure(read_sweep(tmp_path))[0]


def test_the_best_is_the_brightest(tmp_path: Path) -> None:
    """Less is better: the run of 30 has the end of the colour map, that of 90 its beginning."""
    make_grid(tmp_path, GRID)
    svg, _ = parallel_figure(read_sweep(tmp_path))
    best, worst = svg.index("stroke: #fde725"), svg.index("stroke: #440154")
    assert best < worst


def test_one_key_or_two_runs_are_no_figure(tmp_path: Path, sweep: Path) -> None:
    assert parallel_figure(read_sweep(sweep)) == ("", "")
    other = tmp_path / "other"
    make_grid(other, dict(list(GRID.items())[:2]))
    assert parallel_figure(read_sweep(other)) == ("", "")

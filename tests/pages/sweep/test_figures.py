import json
from pathlib import Path

import pytest

from sdexp.pages.sweep.page import write_sweep_report
from tests.pages.sweep_folders import table


def test_figures_are_drawn_apart(sweep: Path) -> None:
    write_sweep_report(sweep)
    html = (sweep / "report.html").read_text()
    assert html.count("<svg") == 3 and "↓ lower is better" in html
    assert html.count('id="drift-figure_1"') == html.count('id="losses-figure_1"') == 1
    assert "training, seconds" in html


@pytest.mark.parametrize(
    "drifts, has_line", [((0.1, 0.2, 0.3, 0.4), False), ((0.4, 0.3, 0.2, 0.1), True)]
)
def test_a_line_is_named_where_one_is_drawn(
    sweep: Path, drifts: tuple[float, ...], has_line: bool
) -> None:
    """The lower the score the better: the first case has the best run nearest to the original."""
    for number, drift in enumerate(drifts):
        file = sweep / str(number) / "scores.json"
        own = {"lpips_gt": {"value": drift, "ci95": None, "backbone": "x"}}
        file.write_text(json.dumps(json.loads(file.read_text()) | {"drift": own}))
    write_sweep_report(sweep)
    html = (sweep / "report.html").read_text()
    assert ("Pareto front" in html) is has_line
    assert ("#888888" in html) is has_line
    assert ("both the best and the nearest" in html) is not has_line


def test_without_a_metric_between_pictures_there_is_no_drift(sweep: Path) -> None:
    for number in range(4):
        file = sweep / str(number) / "scores.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"drift": {}}))
    write_sweep_report(sweep)
    assert table(sweep)[0]["drift"] == ""
    assert (sweep / "report.html").read_text().count("<svg") == 2

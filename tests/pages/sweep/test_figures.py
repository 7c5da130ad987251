import json
from pathlib import Path

from sdexp.pages.sweep.page import write_sweep_report
from tests.pages.sweep_folders import table


def test_figures_are_drawn_apart(sweep: Path) -> None:
    write_sweep_report(sweep)
    html = (sweep / "report.html").read_text()
    assert html.count("<svg") == 3 and "↓ lower is better" in html
    assert html.count('id="drift-figure_1"') == html.count('id="losses-figure_1"') == 1
    assert "Pareto front" in html and "training, seconds" in html


def test_without_a_metric_between_pictures_there_is_no_drift(sweep: Path) -> None:
    for number in range(4):
        file = sweep / str(number) / "scores.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"drift": {}}))
    write_sweep_report(sweep)
    assert table(sweep)[0]["drift"] == ""
    assert (sweep / "report.html").read_text().count("<svg") == 2

import json
import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from sdexp import report as door
from sdexp.ground.errors import DataError
from sdexp.ground.records import DriftRecord
from sdexp.pages.run.facts import read_scores
from sdexp.pages.run.verdict import drift_lines
from sdexp.pages.sweep.page import write_sweep_report
from sdexp.pages.sweep.table import inert
from tests.pages.sweep_folders import (
    FINETUNED,
    HOSTILE,
    Page,
    job,
    make_run,
    metric,
    scores,
    table,
    told,
    write_record,
)


def test_the_page_has_every_job_with_its_numbers(sweep: Path) -> None:
    write_sweep_report(sweep)
    page = Page(sweep)
    rows = page.tables["jobs"]
    assert rows[0][:3] == ["job", "lr", "seed"] and rows[0][3].startswith("kid ↓")
    assert len(rows) == 8
    assert rows[1][:3] == ["0 best", "1e-3", "1"] and rows[2][0] == "1 best"
    assert rows[1][3] == "100.0 → 30.00 -70.00 -71.00 to -69.00 better"
    assert rows[3][4] == "100.0 → 103.0 +3.000 +2.000 to +4.000 better"
    assert rows[1][5:] == ["0.100", "50.00", "2.000", "1,000", "1.50"]
    assert rows[5][0] == "4 failed" and rows[5][3] == "-" and rows[6][0] == "5 waiting"
    assert "Best on kid: lr=1e-3." in page.text
    assert "7 jobs: 4 finished, 1 failed, 1 interrupted, 1 waiting" in page.text


def test_seeds_are_averaged_with_their_spread(sweep: Path) -> None:
    write_sweep_report(sweep)
    rows = Page(sweep).tables["seeds"]
    assert [row[0] for row in rows] == ["rank", "1", "2"]
    values = [value - 100 for (lr, _), value in FINETUNED.items() if lr == "1e-4"]
    mean, sd = statistics.mean(values), math.sqrt(sum((v + 47) ** 2 for v in values))
    assert rows[2][3] == f"{mean:+.2f} ± {sd:.3f} -50.00 to -44.00 finetuned 53.00"
    assert rows[1][1] == "lr=1e-3 jobs 0, 1" and rows[1][2] == "2"


def test_the_csv_has_one_row_for_each_job(sweep: Path) -> None:
    write_sweep_report(sweep)
    rows = table(sweep)
    assert [row["number"] for row in rows] == [str(n) for n in range(7)]
    first, failed, foreign = rows[0], rows[4], rows[6]
    assert float(first["kid/finetuned"]) == 30 and float(first["kid/ci95_low"]) == -71
    assert float(first["drift"]) == 0.1 and first["optimizer.lr"] == "1e-3"
    assert first["training_seconds"] == "50.0" and first["run_folder"] == str(sweep / "0")
    assert failed["status"] == "failed" and failed["reason"] == HOSTILE
    assert failed["kid/p"] == "" and foreign["optimizer.lr"] == HOSTILE
    assert "a.b" not in first


def test_a_spreadsheet_carries_nothing_out() -> None:
    for text in ("=1+1", "+cmd", "-x", "@SUM(A1)", "\tx"):
        assert inert(text) == f"'{text}"
    assert [inert(v) for v in ("-1e-4", -3.5, None, "a=b")] == ["-1e-4", -3.5, None, "a=b"]


def test_nothing_from_outside_and_nothing_that_acts(sweep: Path) -> None:
    write_sweep_report(sweep)
    page = Page(sweep)
    assert "script" not in page.tags and HOSTILE in page.text
    local = [link for link in page.links if not link.startswith(("data:image/png;base64,", "#"))]
    assert local and all((sweep / link).is_file() for link in local)
    text = (sweep / "report.md").read_text()
    assert "<script" not in text and "](b)" not in text


def test_the_same_prompts_stand_side_by_side(sweep: Path) -> None:
    write_sweep_report(sweep)
    rows = Page(sweep).tables["pictures"]
    assert rows[0] == ["real", "original", "job 0 lr=1e-3, seed=1", "job 1 lr=1e-3, seed=2",
                       "job 2 lr=1e-4, seed=1", "job 3 lr=1e-4, seed=2"]  # fmt: skip
    assert len(rows) == 1 + 2 * 6 and rows[1] == [HOSTILE]
    html = (sweep / "report.html").read_text()
    assert 'href="3/images/finetuned/id5_0.png"' in html and "id6_0.png" not in html
    (sweep / "3" / "images" / "finetuned" / "id5_0.png").unlink()
    (sweep / "2" / "images" / "finetuned" / "id5_0.png").write_bytes(b"\x89PNG broken")
    write_sweep_report(sweep)
    assert Page(sweep).tables["pictures"][12][-2:] == ["missing", "missing"]


def test_jobs_without_a_result_say_why_and_how_to_go_on(sweep: Path) -> None:
    write_sweep_report(sweep)
    text = Page(sweep).text
    assert f"job 4 failed , exit code 76 (lr=1, seed=1) : {HOSTILE}" in text
    assert f"python -m sdexp.train optimizer.lr=1 run_dir={sweep / '4'}" in text
    assert "job 5 waiting" in text and "job 6 interrupted , exit code 130" in text
    assert f"python -m sdexp.train -m x=1,2 run_dir={sweep}" in text
    lines = [line for line in told(sweep) if line.startswith("job 4: ")]
    for name in ("scores.json", "per_image.parquet"):
        assert any(f"{name}: damaged" in line for line in lines)


def test_figures_are_drawn_apart(sweep: Path) -> None:
    write_sweep_report(sweep)
    html = (sweep / "report.html").read_text()
    assert html.count("<svg") == 3 and "↓ lower is better" in html
    assert html.count('id="drift-figure_1"') == html.count('id="losses-figure_1"') == 1
    assert "Pareto front" in html and "training, seconds" in html


def test_a_single_job(tmp_path: Path) -> None:
    make_run(tmp_path / "0", 1, scores(kid=metric(30.0)))
    write_record(tmp_path, [job(0, "a=1")])
    write_sweep_report(tmp_path)
    text = Page(tmp_path).text
    assert "One configuration was scored." in text and "0 best" not in text
    assert "winner's curse" not in text
    assert "another training seed" in text and "override a" in text


def test_all_failed(tmp_path: Path) -> None:
    write_record(tmp_path, [job(n, f"a={n}", status="failed", exit_code=2) for n in range(2)])
    write_sweep_report(tmp_path)
    page = Page(tmp_path)
    assert "No job has finished." in page.text and "svg" not in page.tags
    assert [row["exit_code"] for row in table(tmp_path)] == ["2", "2"]


def test_without_evaluations_nothing_is_best(tmp_path: Path) -> None:
    for number in range(2):
        make_run(tmp_path / str(number), number, None)
    write_record(tmp_path, [job(n, f"training.seed={n}") for n in range(2)])
    write_sweep_report(tmp_path)
    text = Page(tmp_path).text
    assert "Trained, not evaluated: none is best." in text and "Validation loss" in text


def test_without_a_metric_between_pictures_there_is_no_drift(sweep: Path) -> None:
    for number in range(4):
        file = sweep / str(number) / "scores.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"drift": {}}))
    write_sweep_report(sweep)
    assert table(sweep)[0]["drift"] == ""
    assert (sweep / "report.html").read_text().count("<svg") == 2


def test_the_page_of_one_run_tells_its_drift(sweep: Path) -> None:
    written = read_scores(sweep / "0" / "scores.json")
    drift = {"lpips_gt": DriftRecord(0.5, (0.4, 0.6), "pocket-clip")}
    (line,) = drift_lines(replace(written, drift=drift))
    assert line.startswith("lpips_gt with pocket-clip between") and "0.400 to 0.600" in line
    assert "how far the model moved, not whether for better" in line
    assert drift_lines(replace(written, drift={})) == []


def test_the_same_folder_gives_the_same_bytes(sweep: Path) -> None:
    files = [sweep / name for name in ("report.html", "report.md", "runs.csv")]
    write_sweep_report(sweep)
    first = [file.read_bytes() for file in files]
    write_sweep_report(sweep)
    assert [file.read_bytes() for file in files] == first


def test_the_door_takes_one_run_or_many(sweep: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert door.main([f"runs={sweep}"]) == 0
    assert f"report: {sweep / 'report.html'}" in capfd.readouterr().out
    (sweep / "empty").mkdir()
    wrong = {
        (): "run: a value is missing",
        ("run=a", "runs=b"): "run=a beside runs=b: name only one",
        (f"runs={sweep}/empty",): f"runs={sweep}/empty: no run folder",
        (f"runs={sweep}/0",): "is itself a run folder; use run=",
        ("runs=absent",): "runs=absent: no run folder",
    }
    for arguments, words in wrong.items():
        assert door.main(list(arguments)) == 2
        error = capfd.readouterr().err
        assert words in error and error.count("\n") == 1


def test_a_broken_record_of_the_sweep_is_told(sweep: Path) -> None:
    (sweep / "sweep.json").write_text("{")
    with pytest.raises(DataError, match=r"sweep\.json: damaged"):
        write_sweep_report(sweep)

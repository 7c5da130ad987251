import math
import statistics
from pathlib import Path

from sdexp.pages.sweep.page import write_sweep_report
from tests.pages.sweep_folders import (
    FINETUNED,
    HOSTILE,
    Page,
    job,
    make_run,
    metric,
    scores,
    table,
    write_record,
)


def test_the_page_has_every_job_with_its_numbers(sweep: Path) -> None:
    write_sweep_report(sweep)
    page = Page(sweep)
    rows = page.tables["jobs"]
    assert rows[0][:3] == ["job", "lr", "seed"] and rows[0][3].startswith("kid ↓")
    assert len(rows) == 8
    assert rows[1][:3] == ["0 best", "1e-3", "1"] and rows[2][0] == "1 best"
    assert rows[1][3] == "100.0 → 30.00 -70.00 -71.00 to -69.00 better p 0.0010, Holm 0.0040"
    assert rows[3][4] == "100.0 → 103.0 +3.000 +2.000 to +4.000 better"
    assert rows[1][5:] == ["0.100", "50.00", "2.000", "1,000", "1.50"]
    assert rows[5][0] == "4 failed" and rows[5][3] == "-" and rows[6][0] == "5 waiting"
    assert "Best on kid: lr=1e-3." in page.text
    assert "7 jobs: 4 finished, 1 failed, 1 interrupted, 1 waiting" in page.text


def test_seeds_are_averaged_with_their_spread(sweep: Path) -> None:
    write_sweep_report(sweep)
    rows = Page(sweep).tables["seeds"]
    assert [row[0] for row in rows] == ["place", "1", "2"]
    values = [value - 100 for (lr, _), value in FINETUNED.items() if lr == "1e-4"]
    mean, sd = statistics.mean(values), math.sqrt(sum((v + 47) ** 2 for v in values))
    assert rows[2][3] == f"{mean:+.2f} ± {sd:.3f} -50.00 to -44.00 finetuned 53.00"
    assert rows[1][1] == "lr=1e-3 jobs 0, 1" and rows[1][2] == "2"


def test_nothing_from_outside_and_nothing_that_acts(sweep: Path) -> None:
    write_sweep_report(sweep)
    page = Page(sweep)
    assert "script" not in page.tags and HOSTILE in page.text
    local = [link for link in page.links if not link.startswith(("data:image/png;base64,", "#"))]
    assert local and all((sweep / link).is_file() for link in local)
    text = (sweep / "report.md").read_text()
    assert "<script" not in text and "](b)" not in text


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


def test_the_same_folder_gives_the_same_bytes(sweep: Path) -> None:
    files = [sweep / name for name in ("report.html", "report.md", "runs.csv")]
    write_sweep_report(sweep)
    first = [file.read_bytes() for file in files]
    write_sweep_report(sweep)
    assert [file.read_bytes() for file in files] == first

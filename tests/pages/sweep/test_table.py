from pathlib import Path

from sdexp.pages.sweep.page import write_sweep_report
from sdexp.pages.sweep.table import inert
from tests.pages.sweep_folders import HOSTILE, table


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

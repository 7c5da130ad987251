from pathlib import Path

from sdexp.pages.sweep.page import write_sweep_report
from tests.pages.sweep_folders import HOSTILE, Page


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

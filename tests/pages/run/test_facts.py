import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.run import RunFolder
from sdexp.pages.run.page import write_report


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(run: RunFolder) -> None:
    run.scores.write_text('{"format": 1, "prim')
    run.per_image.write_bytes(b"PAR1")
    with run.log.open("ab") as log:
        log.write(b"\x89 no row\n")
    faults = write_report(run)
    assert [
        name in fault
        for name, fault in zip(
            ("log.jsonl", "scores.json", "per_image.parquet"), faults, strict=True
        )
    ] == [True] * 3
    page = run.report_html.read_text()
    assert "<svg" in page and "1 line is damaged (first: line 41)" in page


def test_without_its_record_nothing_can_be_told(run: RunFolder) -> None:
    run.record.unlink()
    with pytest.raises(DataError, match=r"run\.json: missing"):
        write_report(run)
    assert not run.report_html.exists()

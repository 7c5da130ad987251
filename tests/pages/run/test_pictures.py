from sdexp.ground.run import RunFolder
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.page import write_report
from sdexp.pages.run.pictures import extremes


def test_pictures_that_are_gone_or_broken_are_counted(run: RunFolder) -> None:
    (run.images("original") / "id00_0.png").unlink()
    (run.images("finetuned") / "id01_0.png").write_bytes(b"\x89PNG broken")
    (fault,) = write_report(run)
    assert "2 pictures cannot be read (first: " in fault and "id00_0.png" in fault
    page = run.report_html.read_text()
    assert page.count('<span class="missing">missing</span>') >= 2 and "2 pictures cannot" in page


def test_best_and_worst_are_ordered_by_difference(run: RunFolder) -> None:
    name, best, worst = extremes(run, read_facts(run))
    assert name == "clip_score"
    assert [t.note for t in best] == [f"clip_score +{v}" for v in ("11.00", "10.00", "9.000")]
    assert [t.note for t in worst][:2] == ["clip_score +0.000", "clip_score +1.000"]

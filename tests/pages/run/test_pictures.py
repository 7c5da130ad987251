from dataclasses import replace

from sdexp.ground.rows import read_rows, write_rows
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


def test_the_worst_replicate_is_found(run: RunFolder) -> None:
    rows = read_rows(run.per_image)
    for model, score in (("original", 19.65), ("finetuned", 10.0)):
        row = next(row for row in rows if row.prompt_id == "id03" and row.model == model)
        rows.append(replace(row, replicate=1, scores={"clip_score": score}))
    write_rows(run.per_image, rows)
    _, best, worst = extremes(run, read_facts(run))
    assert worst[0].note == "clip_score -9.650"
    assert worst[0].finetuned.path.name == "id03_1.png"
    assert "id03_0.png" in [one.finetuned.path.name for one in best], "by its other replicate"
    assert len({one.caption for one in worst}) == len(worst), "each prompt once"


def test_best_and_worst_are_ordered_by_difference(run: RunFolder) -> None:
    name, best, worst = extremes(run, read_facts(run))
    assert name == "clip_score"
    assert [t.note for t in best] == [f"clip_score +{v}" for v in ("11.00", "10.00", "9.000")]
    assert [t.note for t in worst][:2] == ["clip_score +0.000", "clip_score +1.000"]

import re
from pathlib import Path

import pytest

from sdexp.ground.audit_records import AuditRecord, Doubt, PrepareRequest, Shown, Twin
from sdexp.ground.record_files import write_record
from sdexp.ground.run import RunFolder
from sdexp.pages.prepare.page import warnings, write_audit
from tests.dataset.hubs import png
from tests.pages.markup import without_script
from tests.records import split


def record() -> AuditRecord:
    first = Shown("train", "a<b>.jpg", "a <script>cat</script>", "pictures/train_0.jpg")
    second = Shown("test", "b.jpg", "a dog", "pictures/test_0.jpg")
    return AuditRecord(
        resolution=512,
        done=["pictures: 2 were there"],
        splits={"train": split("m", pictures=1200, dropped={"no caption": 3}), "test": split("n")},
        short_sides={300: 5, 800: 7},
        ratios={1.5: 12},
        words={4: 12},
        samples=[first, second],
        twins=[Twin(first, second, 0.01)],
        num_twins=7,
        doubts=[Doubt("train", "a.jpg", "A", "fewer than 3 words")],
        doubt_counts={"fewer than 3 words": 1},
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path)
    write_record(made.audit, record())
    write_record(made.request, PrepareRequest("python -m x", True, None, 3, 5, 20, False))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "train_0.jpg").write_bytes(png((1, 2, 3)))
    made.findings("train").parent.mkdir()
    rows = [f"dropped,picture,{k}.jpg,no caption" for k in range(130)]
    made.findings("train").write_text("\n".join(["what,unit,item,reason", *rows]) + "\n")
    return made


def test_the_page_shows_everything_and_needs_nothing_else(run: RunFolder) -> None:
    write_audit(run)
    page = run.audit_page.read_text()
    assert "1,200 to train on" in page and "python -m x" in page
    assert 'The first 100 of 130; all in <a href="data/train.csv">' in page
    assert "The 1 most alike of 7" in page and "fewer than 3 words" in page
    assert page.count("<svg") == 3
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_foreign_words_stay_words(run: RunFolder) -> None:
    write_audit(run)
    page = run.audit_page.read_text()
    assert "<script>" not in without_script(page) and "&lt;script&gt;cat" in page
    assert "a&lt;b&gt;.jpg" in page


def test_a_picture_that_is_gone_is_said(run: RunFolder) -> None:
    write_audit(run)
    assert 'class="missing">missing<' in run.audit_page.read_text()


def test_warnings_name_what_a_person_should_look_at() -> None:
    lines = warnings(record())
    assert lines[0].startswith("train: 3 rows or captions dropped, 1200 pictures are left")
    assert "7 pairs of pictures look the same and lie in different splits" in lines[-2]
    assert lines[-1] == "1 caption: fewer than 3 words"

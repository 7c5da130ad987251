from pathlib import Path

import pytest
from PIL import Image

from sdexp.engine.prepare.audit import audit
from sdexp.ground.audit_records import AuditRecord
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.run import RunFolder
from tests.engine.prepare.folders import WORDS, photos, recipes_of


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "audit")


def test_everything_that_a_person_should_see_is_noted(run: RunFolder, tmp_path: Path) -> None:
    run.path.mkdir()
    record = audit(run, recipes_of(photos(tmp_path / "photos")), ["fetched"])
    write_record(run.audit, record)
    assert read_record(run.audit, AuditRecord) == record
    assert record.done == ["fetched"] and record.resolution == 64
    assert sum(facts.pictures for facts in record.splits.values()) == 12
    assert record.splits["train"].dropped == {"no caption": 1, "truncated or damaged": 1}
    assert "broken.jpg" in run.findings("train").read_text()
    assert record.short_sides[400] == 1 and sum(record.short_sides.values()) == 12
    assert record.ratios[1.5] >= 1 and sum(record.words.values()) == 12
    assert record.doubt_counts == {
        "fewer than 3 words": 3,
        "a file name in it": 1,
        "misread UTF-8": 2,
        "longer than the text encoder reads": 2,
    }
    assert sum(facts.overlong for facts in record.splits.values()) == 2
    assert record.num_twins == len(record.twins) > 0


def test_pictures_are_shown_in_small_and_written_once(run: RunFolder, tmp_path: Path) -> None:
    run.path.mkdir()
    record = audit(run, recipes_of(photos(tmp_path / "photos")), [])
    shown = {one.sample_id: run.path / one.file for one in record.samples}
    assert set(WORDS) <= set(shown) and len(shown) == 12
    assert max(Image.open(shown["coffee.png"]).size) == 192
    twin = record.twins[0].first
    assert run.path / twin.file == shown[twin.sample_id]


def test_the_resolution_is_that_of_the_training(run: RunFolder, tmp_path: Path) -> None:
    run.path.mkdir()
    recipes = recipes_of(photos(tmp_path / "photos"), "training.resolution=512")
    record = audit(run, recipes, [])
    small = sum(count for side, count in record.short_sides.items() if side < 512)
    assert record.resolution == 512
    assert sum(facts.enlarged for facts in record.splits.values()) == small > 0

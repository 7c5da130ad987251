import csv
import json
from pathlib import Path

from sdexp.engine.prepare.opened import open_all, twins
from sdexp.engine.prepare.tables import write_doubts, write_manifest, write_twins
from sdexp.ground.audit_records import Doubt
from tests.engine.prepare.folders import photos, recipes_of


def test_whole_lists_lie_beside_the_page(tmp_path: Path) -> None:
    opened = open_all(recipes_of(photos(tmp_path / "photos")).dataset)
    write_manifest(tmp_path, opened)
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    by_name = {row["sample_id"]: row for row in rows}
    assert len(by_name) == len(rows) == 12
    assert by_name["coffee.png"]["captions"] == ["a cup of coffee"]
    assert (by_name["coffee.png"]["width"], by_name["coffee.png"]["height"]) == (600, 400)
    found = twins(opened)
    write_twins(tmp_path, found)
    assert len(list(csv.DictReader((tmp_path / "twins.csv").open()))) == len(found)
    write_doubts(tmp_path, [Doubt("test", "a.jpg", 'says "a, b"', "why")])
    (row,) = csv.DictReader((tmp_path / "doubts.csv").open())
    assert row == {"split": "test", "sample_id": "a.jpg", "caption": 'says "a, b"', "reason": "why"}


def test_empty_lists_are_not_written(tmp_path: Path) -> None:
    write_doubts(tmp_path, [])
    write_twins(tmp_path, [])
    assert not list(tmp_path.iterdir())

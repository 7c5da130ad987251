"""Unsplash Lite by its published columns."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdexp.dataset.unsplash import CaptionSource, UnsplashLite
from sdexp.ground.errors import DataError
from tests.dataset.hubs import png
from tests.web import Answer, server

IDS = ["5S3YHJMPpB8", "-vc0dWJp05Y", "_Ui26s8zR_c", "MqlbnO4W8ZE"]


def quoted(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"' if '"' in cell else cell


@pytest.fixture
def folder(tmp_path: Path, shared_data: Path) -> Path:
    """Pictures of four of five photos, and a picture that no table knows."""
    schema = (shared_data / "unsplash_schema").iterdir()
    header = (
        next(file for file in schema if file.name.endswith(".header")).read_text().splitlines()[0]
    )
    columns = header.split("\t")
    assert len(columns) == 31
    rows = []
    for number, name in enumerate([*IDS, "absent"]):
        row = dict.fromkeys(columns, "") | {
            "photo_id": name,
            "photo_description": "" if number == 1 else f'Number {number}, "mine"',
            "ai_description": f"white and {number}",
        }
        cells = [
            f'"{row[c].replace(chr(34), chr(34) * 2)}"' if '"' in row[c] else row[c]
            for c in columns
        ]
        rows.append("\t".join(cells))
    (tmp_path / "photos.tsv000").write_text("\n".join([header, *rows[:2]]) + "\n")
    (tmp_path / "photos.tsv001").write_text("\n".join([header, *rows[2:]]) + "\n")
    words = ["photo_id\tkeyword\tai_service_1_confidence\tai_service_2_confidence"]
    words += [f"{name}\tword {k}\t{k}\t" for name in IDS for k in range(5)]
    words += [f"{IDS[0]}\tsurest\t\t99.5"]
    (tmp_path / "keywords.tsv000").write_text("\n".join(words))
    (tmp_path / "images").mkdir()
    for name in IDS:
        Image.new("RGB", (8, 6)).save(tmp_path / "images" / f"{name}.jpg")
    return tmp_path


def recipe(folder: Path, source: str = "ai", **changes: Any) -> UnsplashLite:
    usual: dict[str, Any] = {
        "max_keywords": 3,
        "fetch_photos": 0,
        "fetch_width": 1080,
        "val_fraction": 0.1,
        "test_fraction": 0.1,
        "max_dropped_fraction": 0.3,
    }
    return UnsplashLite(str(folder), CaptionSource(source), **(usual | changes))


def addressed(folder: Path, address: str) -> None:
    """Give each photo of the tables an address."""
    for file in folder.glob("photos.tsv*"):
        head, *rows = file.read_text().splitlines()
        column = head.split("\t").index("photo_image_url")
        lines = [head]
        for row in rows:
            cells = row.split("\t")
            cells[column] = f"{address}/{cells[0]}"
            lines.append("\t".join(cells))
        file.write_text("\n".join(lines) + "\n")


def everything(made: UnsplashLite) -> dict[str, tuple[str, ...]]:
    opened = [made.open(split) for split in ("train", "val", "test")]
    return {d.sample_id(i): d.captions(i) for d in opened for i in range(len(d))}


def test_ids_stay_as_they_are_and_captions_are_chosen(folder: Path) -> None:
    recipe(folder).check()
    assert everything(recipe(folder)) == {n: (f"white and {k}",) for k, n in enumerate(IDS)}
    own = everything(recipe(folder, "own"))
    assert own == {n: (f'Number {k}, "mine"',) for k, n in enumerate(IDS) if k != 1}
    words = everything(recipe(folder, "keywords"))
    assert words[IDS[0]] == ("surest, word 4, word 3",)
    assert words[IDS[1]] == ("word 4, word 3, word 2",)


def test_what_is_lost_is_told(folder: Path) -> None:
    findings = recipe(folder, "own").open("train").findings
    assert [(f.item, f.reason) for f in findings.dropped] == [
        ("photos.tsv", "1 photos have no picture here"),
        (IDS[1], "no caption: a caption is empty"),
    ]
    assert [f.item for f in findings.lost] == [IDS[1]]
    Image.new("RGB", (8, 6)).save(folder / "images" / "stranger.jpg")
    with pytest.raises(DataError, match=r"1 of 5 pictures would be dropped \(1: no caption\)"):
        recipe(folder, max_dropped_fraction=0.1).check()


def test_what_is_missing_is_told(folder: Path) -> None:
    (folder / "keywords.tsv000").unlink()
    with pytest.raises(DataError, match="keywords.tsv is missing; put it there"):
        recipe(folder, "keywords").check()
    (folder / "photos.tsv000").write_text("photo_id\tx\n")
    with pytest.raises(DataError, match="photos.tsv000: no column ai_description"):
        recipe(folder).check()
    for file in (folder / "images").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no picture in it; put <photo_id>.jpg there"):
        recipe(folder).check()
    with pytest.raises(ValueError, match="dataset.max_keywords=0"):
        recipe(folder, max_keywords=0)


def test_photos_are_fetched_by_their_ids(folder: Path) -> None:
    asked: list[str] = []

    def answers(path: str, body: bytes) -> Answer:
        asked.append(path)
        return 200, {"content-type": "image/jpeg"}, png((1, 2, 3))

    for name in IDS[1:]:
        (folder / "images" / f"{name}.jpg").unlink()
    with server(answers) as address:
        addressed(folder, address)
        made = recipe(folder, fetch_photos=3, fetch_width=640)
        made.check_source()
        assert made.fetch() == ["pictures: 1 were there, 2 fetched"]
        assert made.fetch() == ["pictures: 3 were there, 0 fetched"]
    assert sorted(asked) == [f"/{name}?fm=jpg&q=85&w=640" for name in sorted(IDS[1:3])]
    assert {path.name for path in (folder / "photos").iterdir()} == {f"{n}.jpg" for n in IDS[1:3]}
    assert set(everything(made)) == set(IDS[:3])


def test_a_table_without_addresses_is_told_before_anything_is_fetched(folder: Path) -> None:
    (folder / "photos.tsv000").write_text("photo_id\tai_description\n")
    with pytest.raises(DataError, match="photos.tsv000: no column photo_image_url"):
        recipe(folder, fetch_photos=None).check_source()


def test_nothing_is_fetched_unasked(folder: Path) -> None:
    made = recipe(folder)
    made.check_source()
    assert made.fetch() == []
    (folder / "photos.tsv000").write_text("photo_id\tphoto_image_url\n")
    with pytest.raises(DataError, match="no column ai_description"):
        recipe(folder, fetch_photos=None).check_source()


def test_an_id_that_leads_elsewhere_is_refused(folder: Path) -> None:
    table = (folder / "photos.tsv000").read_text().replace(IDS[1], "../../evil")
    (folder / "photos.tsv000").write_text(table)
    with pytest.raises(DataError, match="'../../evil' in photos.tsv is no id of a photo"):
        recipe(folder, fetch_photos=None).fetch()

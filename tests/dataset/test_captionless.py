import json
from pathlib import Path

import pytest

from sdexp.dataset.base import SPLITS
from sdexp.dataset.imagefolder import ImageFolder
from sdexp.dataset.pocket import Pocket
from sdexp.ground.errors import ConfigError, DataError
from tests.dataset.hubs import png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(6):
        (tmp_path / f"{k}.png").write_bytes(png((k, 0, 0)))
    return tmp_path


def caption_all(folder: Path) -> dict[str, str]:
    """Add what is missing; all captions as they are read then."""
    data = ImageFolder(str(folder))
    without = data.uncaptioned()
    for picture in without.pictures:
        without.add(picture, f"new {picture.stem}")
    assert not data.uncaptioned().pictures
    opened = [data.open(split) for split in SPLITS]
    return {
        one.sample_id(k): " | ".join(one.captions(k)) for one in opened for k in range(len(one))
    }


def test_beside_pictures_go_text_files(folder: Path) -> None:
    (folder / "1.txt").write_text("mine\n")
    expected = {f"{k}.png": f"new {k}" for k in range(6)} | {"1.png": "mine"}
    assert caption_all(folder) == expected
    assert (folder / "0.txt").read_text() == "new 0\n"


@pytest.mark.parametrize("end", ["", "\n"])
def test_to_a_metadata_file_go_lines(folder: Path, end: str) -> None:
    (folder / "sub").mkdir()
    (folder / "5.png").rename(folder / "sub" / "5.png")
    first = '{"file_name": "1.png", "text": "mine"}'
    (folder / "metadata.jsonl").write_text(first + end)
    own = '{"file_name": "absent.png", "text": "x"}'
    (folder / "sub" / "metadata.jsonl").write_text(own)
    without = ImageFolder(str(folder), max_dropped_fraction=0.5).uncaptioned()
    for picture in without.pictures:
        without.add(picture, f"new {picture.stem}")
    lines = (folder / "metadata.jsonl").read_text().splitlines()
    assert lines[0] == first
    assert [json.loads(line)["file_name"] for line in lines] == [
        f"{k}.png" for k in (1, 0, 2, 3, 4)
    ]
    inner = (folder / "sub" / "metadata.jsonl").read_text().splitlines()
    assert inner == [own, '{"file_name": "5.png", "text": "new 5"}']


def test_a_table_that_is_not_lines_is_left_alone(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name,text\n1.png,mine\n")
    with pytest.raises(DataError, match="metadata.csv is there; convert it to metadata.jsonl"):
        ImageFolder(str(folder)).uncaptioned()


def test_other_data_sets_have_their_captions(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="captioner: these captions come with the data set"):
        Pocket(look="plain", num_train=2, num_val=1, num_test=2).uncaptioned()


def test_what_says_nothing_is_no_caption(folder: Path) -> None:
    (folder / "1.txt").write_text(" \n")
    assert caption_all(folder)["1.png"] == "new 1"


def test_a_row_that_says_nothing_is_no_caption(folder: Path) -> None:
    rows = [{"file_name": f"{k}.png", "text": f"a {k}" if k else None} for k in range(6)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    without = ImageFolder(str(folder)).uncaptioned()
    assert [picture.name for picture in without.pictures] == ["0.png"]
    without.add(without.pictures[0], "a nought")
    assert not ImageFolder(str(folder)).uncaptioned().pictures


def test_pictures_that_would_share_a_caption_are_told_before_anything(folder: Path) -> None:
    (folder / "1.jpg").write_bytes((folder / "1.png").read_bytes())
    with pytest.raises(DataError, match="1.jpg and another picture would share 1.txt; rename one"):
        ImageFolder(str(folder)).uncaptioned()


def test_a_picture_that_no_table_reaches_is_told_before_anything(folder: Path) -> None:
    (folder / "train").mkdir()
    (folder / "1.png").rename(folder / "train" / "1.png")
    (folder / "train" / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "mine"}')
    with pytest.raises(DataError, match="0.png lies outside the folder of train/metadata.jsonl"):
        ImageFolder(str(folder)).uncaptioned()

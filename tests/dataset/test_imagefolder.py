import json
import math
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from sdexp.dataset.imagefolder import ImageFolder
from sdexp.ground.errors import DataError

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"
SPLITS = ("train", "val", "test")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), "red").save(path)


def folder(root: Path, names: list[str]) -> Path:
    """Pictures and a metadata.jsonl that names them."""
    for name in names:
        picture(root / name)
    rows = [{"file_name": name, "text": f"a picture of {name}"} for name in names]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


def ids(dataset) -> list[str]:
    return [dataset.sample_id(index) for index in range(len(dataset))]


def split_ids(recipe: ImageFolder) -> dict[str, list[str]]:
    return {split: ids(recipe.open(split)) for split in SPLITS}


def captions(recipe: ImageFolder) -> dict[str, tuple[str, ...]]:
    opened = [recipe.open(split) for split in SPLITS]
    return {d.sample_id(i): d.captions(i) for d in opened for i in range(len(d))}


def test_cut_by_hash(tmp_path: Path) -> None:
    names = [f"{k}.png" for k in range(20)]
    parts = split_ids(ImageFolder(str(folder(tmp_path, names))))
    assert [len(parts[split]) for split in SPLITS] == [16, 2, 2]
    assert sorted(sum(parts.values(), [])) == sorted(names)


def test_split_folders_are_used(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        folder(tmp_path / name, [f"{k}.png" for k in range(3)])
    parts = split_ids(ImageFolder(str(tmp_path)))
    for split, name in zip(SPLITS, ("train", "validation", "test"), strict=True):
        assert parts[split] == [f"{name}/{k}.png" for k in range(3)]


def test_a_missing_split_is_cut_from_train(tmp_path: Path) -> None:
    folder(tmp_path, [*(f"train/{k}.png" for k in range(5)), "test/a.png", "b.png"])
    recipe = ImageFolder(str(tmp_path))
    parts = split_ids(recipe)
    assert [len(parts[split]) for split in SPLITS] == [4, 1, 1]
    assert parts["test"] == ["test/a.png"] and parts["val"][0].startswith("train/")
    (finding,) = recipe.open("train").findings.dropped
    assert finding.item == "b.png" and "outside the split folders" in finding.reason


def test_orphans_are_dropped_and_named(tmp_path: Path) -> None:
    folder(tmp_path, ["a.png", "b.png", "c.png", "sub/d.png"])
    picture(tmp_path / "orphan.png")
    picture(tmp_path / ".hidden" / "e.png")
    rows = [
        {"file_name": "gone.png", "text": "x"},
        {"file_name": "/etc/a.png", "text": "x"},
        {"file_name": "C:\\a.png", "text": "x"},
        {"file_name": "../a.png", "text": "x"},
        {"text": "x"},
    ]
    with (tmp_path / "metadata.jsonl").open("a") as file:
        file.write("\n" + "\n".join(map(json.dumps, rows)))
    dropped = ImageFolder(str(tmp_path)).open("train").findings.dropped
    assert [(f.item, f.reason.split(":")[0]) for f in dropped] == [
        ("/etc/a.png", "file_name is absolute; it must be relative to metadata.jsonl"),
        ("C:\\a.png", "file_name is absolute; it must be relative to metadata.jsonl"),
        ("../a.png", "file_name leaves the folder of metadata.jsonl"),
        ("metadata.jsonl", "a row has no file_name"),
        ("gone.png", "the caption has no picture"),
        ("orphan.png", "no caption"),
    ]


def test_csv_and_lists(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / name)
    (tmp_path / "metadata.csv").write_text(
        "file_name,words\na.png,one\na.png,two\nb.png,x\nc.png,y"
    )
    recipe = ImageFolder(str(tmp_path), caption_column="words")
    assert captions(recipe) == {"a.png": ("one", "two"), "b.png": ("x",), "c.png": ("y",)}
    (tmp_path / "metadata.csv").unlink()
    rows = [{"file_name": f"./{n}.png", "text": [n, n + n]} for n in "abc"]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert captions(ImageFolder(str(tmp_path)))["b.png"] == ("b", "bb")


def test_a_caption_file_beside_each_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "sub/c.png", "d.png"):
        picture(tmp_path / name)
        text = "first\n\nsecond\n" if name == "a.png" else "" if name == "d.png" else name
        (tmp_path / name).with_suffix(".txt").write_text(text)
    (tmp_path / "licences.txt").write_text("free")
    recipe = ImageFolder(str(tmp_path))
    recipe.check()
    found = captions(recipe)
    assert found.keys() == {"a.png", "b.JPG", "sub/c.png"} and found["a.png"] == ("first", "second")
    dropped = [finding.item for finding in recipe.open("train").findings.dropped]
    assert dropped == ["licences.txt", "d.png"]


def test_accents_composed_in_another_way(tmp_path: Path) -> None:
    folder(tmp_path, ["caf\u00e9.png", "b.png", "c.png"])
    (tmp_path / "caf\u00e9.png").rename(tmp_path / unicodedata.normalize("NFD", "caf\u00e9.png"))
    assert len(captions(ImageFolder(str(tmp_path)))) == 3


def test_strange_files_do_not_stop_it(tmp_path: Path) -> None:
    folder(tmp_path, ["a.png", "b.png", "c.png", "d.png"])
    (tmp_path / "b.png").unlink()
    os.mkfifo(tmp_path / "b.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"")
    findings = ImageFolder(str(tmp_path)).open("train").findings
    assert [(f.item, f.reason) for f in findings.dropped] == [
        ("\\udcff.png", "the file's name is not UTF-8"),
        ("b.png", "not a regular file"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"data_dir": " "},
        {"caption_column": ""},
        {"val_fraction": 0.0},
        {"test_fraction": math.nan},
        {"val_fraction": 0.6, "test_fraction": 0.4},
    ],
)
def test_values_out_of_range_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="dataset.") as caught:
        ImageFolder(**{"data_dir": "x", **change})
    assert "\n" not in str(caught.value) and next(iter(change)) in str(caught.value)


def test_check_says_what_is_missing_and_where(tmp_path: Path) -> None:
    recipe = ImageFolder(str(tmp_path / "data"))
    with pytest.raises(DataError, match="data_dir=.*does not exist; put pictures and a metadata"):
        recipe.check()
    picture(tmp_path / "data" / "a.png")
    with pytest.raises(DataError, match="no captions; put metadata.jsonl or metadata.csv"):
        recipe.check()
    folder(tmp_path / "data", ["a.png"]).joinpath("metadata.csv").write_text("")
    with pytest.raises(DataError, match="stands beside a metadata.jsonl; keep one"):
        recipe.check()
    folder(tmp_path / "data", ["a.png"]).joinpath("metadata.csv").unlink()
    (tmp_path / "data" / "test").mkdir()
    with pytest.raises(DataError, match="no folder train"):
        recipe.check()
    with pytest.raises(DataError, match="is not a folder"):
        ImageFolder(str(tmp_path / "data" / "a.png")).check()


def test_no_picture_left(tmp_path: Path) -> None:
    folder(tmp_path, ["a.png"])
    (tmp_path / "a.png").write_bytes(b"<html>")
    with pytest.raises(DataError, match="no picture is left of 1, .*a.png: this is a web page"):
        ImageFolder(str(tmp_path)).open("train")


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the folder with real photos is not here")
def test_real_photos() -> None:
    recipe = ImageFolder(str(PHOTOS))
    recipe.check()
    opened = {split: recipe.open(split) for split in SPLITS}
    assert [len(dataset) for dataset in opened.values()] == [11, 2, 2]
    assert len({name for dataset in opened.values() for name in ids(dataset)}) == 15
    for dataset in opened.values():
        assert dataset.findings.dropped == [] and min(dataset[0].image.size) >= 300

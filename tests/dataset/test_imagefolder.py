import json
import math
import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

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
    recipe = ImageFolder(str(tmp_path), max_dropped_fraction=0.2)
    parts = split_ids(recipe)
    assert [len(parts[split]) for split in SPLITS] == [4, 1, 1]
    assert parts["test"] == ["test/a.png"] and parts["val"][0].startswith("train/")
    (finding,) = recipe.open("train").findings.dropped
    assert finding.item == "b.png" and "outside the split folders" in finding.reason


def test_orphans_are_dropped_and_named(tmp_path: Path) -> None:
    folder(tmp_path, ["a.png", "b.png", "c.png", "sub/d.png"])
    picture(tmp_path / "orphan.png")
    picture(tmp_path / ".hidden" / "e.png")
    picture(tmp_path / ".f.png")
    picture(tmp_path / "._a.png")
    rows = [
        {"file_name": "gone.png", "text": "x"},
        {"file_name": "/etc/x.png", "text": "x"},
        {"text": "x"},
    ]
    with (tmp_path / "metadata.jsonl").open("a") as file:
        file.write("\n" + "\n".join(map(json.dumps, rows)))
    dropped = ImageFolder(str(tmp_path), max_dropped_fraction=1.0).open("train").findings.dropped
    assert [(f.item, f.reason.split(":")[0], f.unit) for f in dropped] == [
        (".f.png", "a hidden file is not read", "row"),
        ("/etc/x.png", "file_name is a path of elsewhere", "picture"),
        ("metadata.jsonl", "a row has no file_name", "row"),
        ("gone.png", "the caption has no picture", "picture"),
        ("orphan.png", "no caption", "picture"),
    ]


def test_paths_of_another_machine_are_matched_by_file_name(tmp_path: Path) -> None:
    """As a published metadata file has them."""
    for name in ("a.png", "sub/b.png", "one/c.png", "two/c.png", "d.png"):
        picture(tmp_path / name)
    names = ["/home/me/train/a.png", "C:\\data\\b.png", "/home/me/c.png", "../d.png"]
    rows = [{"file_name": name, "text": f"from {name}"} for name in names]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = ImageFolder(str(tmp_path), max_dropped_fraction=1.0)
    assert captions(recipe) == {
        "a.png": ("from /home/me/train/a.png",),
        "sub/b.png": ("from C:\\data\\b.png",),
        "d.png": ("from ../d.png",),
    }
    findings = recipe.open("train").findings
    assert [f.item for f in findings.repaired] == [names[0], names[1], names[3]]
    assert findings.dropped[0].reason.endswith("2 pictures have its file name")


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
    recipe = ImageFolder(str(tmp_path), max_dropped_fraction=0.3)
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
    findings = ImageFolder(str(tmp_path), max_dropped_fraction=0.5).open("train").findings
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
    with pytest.raises(DataError, match="metadata.jsonl stands beside metadata.csv.* keep one"):
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


def test_pictures_of_every_suffix_are_seen(tmp_path: Path) -> None:
    """What cannot be read is named as what it is, also where it is alone."""
    for name in ("a.JPG", "b.jpeg", "e.jfif"):
        Image.new("RGB", (40, 40)).save(tmp_path / name, format="JPEG")
    Image.new("RGB", (40, 40)).save(tmp_path / "c.webp")
    (tmp_path / "f.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "d.jpg.bak").write_bytes(b"x")
    for name in "abcef":
        (tmp_path / f"{name}.txt").write_text(name)
    recipe = ImageFolder(str(tmp_path), max_dropped_fraction=0.3)
    assert captions(recipe).keys() == {"a.JPG", "b.jpeg", "c.webp", "e.jfif"}
    (finding,) = recipe.open("train").findings.dropped
    assert finding.item == "f.heic" and finding.reason.startswith("a HEIC picture is not read")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "f.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (alone / "f.txt").write_text("f")
    with pytest.raises(DataError, match="no picture is left of 1, .*f.heic: a HEIC picture"):
        ImageFolder(str(alone)).open("train")


def test_a_folder_that_cannot_be_read_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path, [f"a/{k}.png" for k in range(4)])
    (tmp_path / "b").mkdir()
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"1 of 5 pictures .*1: the folder cannot be read\)"):
        ImageFolder(str(tmp_path)).check()
    opened = ImageFolder(str(tmp_path), max_dropped_fraction=0.5).open("train")
    assert [f.item for f in opened.findings.lost] == ["b/"]


def test_caption_files_beside_a_metadata_file_are_told_of(tmp_path: Path) -> None:
    folder(tmp_path, ["a.png", "b.png", "c.png"])
    picture(tmp_path / "d.png")
    texts = {"a": "a picture of a.png\n", "b": "something else", "d": "its own caption"}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    findings = ImageFolder(str(tmp_path), max_dropped_fraction=0.3).open("train").findings
    assert [(f.item, f.reason) for f in findings.dropped] == [
        ("b.txt", "says something else than metadata.jsonl, which counts"),
        ("d.txt", "not read, because metadata.jsonl is there, which does not name its picture"),
        ("d.png", "no caption"),
    ]


def test_a_metadata_file_may_be_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["a.png", "b.png", "c.png"]
    for name in names:
        picture(tmp_path / name)
    table = pa.table({"file_name": names, "text": [["one", "two"], ["x"], ["y"]]})
    pq.write_table(table, tmp_path / "metadata.parquet")
    assert captions(ImageFolder(str(tmp_path)))["a.png"] == ("one", "two")
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="metadata.parquet: damaged"):
        ImageFolder(str(tmp_path)).check()


def test_folders_of_repeats_are_seen_so_often(tmp_path: Path) -> None:
    """As kohya's trainers read `10_name`."""
    for name in ("3_dog/a.png", "3_dog/b.png", "3_dog/c.png", "1_cat/d.png", "1_cat/e.png"):
        picture(tmp_path / name)
        (tmp_path / name).with_suffix(".txt").write_text(name)
    train = ImageFolder(str(tmp_path)).open("train")
    often = Counter(train.picture_id(k) for k in range(len(train)))
    assert all(often[name] == int(name[0]) for name in often) and len(often) == 2
    assert len({train.sample_id(k) for k in range(len(train))}) == len(train)
    folder(tmp_path, ["3_dog/a.png", "3_dog/b.png", "3_dog/c.png", "1_cat/d.png", "1_cat/e.png"])
    assert len(ImageFolder(str(tmp_path)).open("train")) == 2


def test_an_empty_split_folder_is_not_cut_from_train(tmp_path: Path) -> None:
    folder(tmp_path / "train", [f"{k}.png" for k in range(8)])
    folder(tmp_path / "test", ["a.png"])
    (tmp_path / "test" / "metadata.jsonl").write_text('{"file_name": "a.png", "text": ""}')
    recipe = ImageFolder(str(tmp_path), max_dropped_fraction=0.5)
    with pytest.raises(DataError, match="test needs at least one each; first reason: test/a.png"):
        recipe.check()
    with pytest.raises(DataError, match="test needs at least one"):
        recipe.open("test")


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the folder with real photos is not here")
def test_real_photos() -> None:
    recipe = ImageFolder(str(PHOTOS))
    recipe.check()
    opened = {split: recipe.open(split) for split in SPLITS}
    assert [len(dataset) for dataset in opened.values()] == [11, 2, 2]
    assert len({name for dataset in opened.values() for name in ids(dataset)}) == 15
    for dataset in opened.values():
        assert dataset.findings.dropped == [] and min(dataset[0].image.size) >= 300

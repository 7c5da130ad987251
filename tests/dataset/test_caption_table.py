"""Flickr30k and Flickr8k in the forms in which they go round."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdexp.dataset.base import Finding
from sdexp.dataset.caption_table import CaptionTable
from sdexp.dataset.lists import homes_of
from sdexp.ground.errors import DataError

BROKEN = "2199200615.jpg"


def recipe(root: Path, **changes: Any) -> CaptionTable:
    usual: dict[str, Any] = {
        "captions_files": ["results.csv", "captions.txt", "results_20130124.token"],
        "split_family": "hash",
        "val_fraction": 0.1,
        "test_fraction": 0.1,
        "max_dropped_fraction": 0.2,
    }
    return CaptionTable(str(root), **(usual | changes))


def pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (16, 12)).save(folder / name, "JPEG")


def everything(made: CaptionTable) -> dict[str, tuple[str, ...]]:
    opened = [made.open(split) for split in ("train", "val", "test")]
    return {d.sample_id(i): d.captions(i) for d in opened for i in range(len(d))}


def write(root: Path, table: Path, folder: Path) -> Path:
    """Five pictures, of which one has the published broken row."""
    names = [BROKEN, *(f"{k}.jpg" for k in range(4))]
    pictures(root / folder, names)
    lines = ["image_name| comment_number| comment"]
    for name in names:
        lines += [f'{name}| {n}|  The " white out " of {n} | {name} .' for n in range(4)]
        last = "   A dog runs across the grass ." if name == BROKEN else "| A dog ."
        lines.append(f"{name}| 4{last}")
    lines += [f"gone.jpg| {n}| Nothing {n} ." for n in range(5)] + ["what is this"]
    (root / table).write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("table", "folder"),
    [
        ("results.csv", "flickr30k_images"),
        ("results.csv", "."),
        ("flickr30k_images/results.csv", "flickr30k_images/flickr30k_images"),
    ],
)
def test_rows_become_five_captions_for_each_picture(
    tmp_path: Path, table: str, folder: str
) -> None:
    made = recipe(write(tmp_path, Path(table), Path(folder)))
    made.check()
    opened = [made.open(split) for split in ("train", "val", "test")]
    assert [len(dataset) for dataset in opened] == [2, 1, 2]
    captions = {d.sample_id(i): d.captions(i) for d in opened for i in range(len(d))}
    assert all(len(set(five)) == 5 for five in captions.values())
    assert captions["1.jpg"][0] == 'The " white out " of 0 | 1.jpg .'
    assert captions[BROKEN][4] == "A dog runs across the grass ."
    findings = opened[0].findings
    assert findings.repaired == [Finding(f"{table}:6", "the second delimiter was missing", "row")]
    assert [f.item for f in findings.dropped] == [f"{table}:32", "gone.jpg"]
    assert [f.item for f in findings.lost] == ["gone.jpg"]
    assert opened[0][0].image.size == opened[0].size(0) == (16, 12)


def test_copies_with_commas_are_read(tmp_path: Path) -> None:
    """As Kaggle's Flickr8k and derivatives of Flickr30k are."""
    pictures(tmp_path / "Images", ["1.jpg", "2.JPG", "3.jpg"])
    (tmp_path / "captions.txt").write_text(
        'image,caption\n1.jpg,"A dog , a cat , and ""more"" ."\n1.jpg,A boy .\n'
        "2.JPG,A girl , unquoted .\n3.jpg,x y\n"
    )
    made = recipe(tmp_path)
    assert everything(made) == {
        "1.jpg": ('A dog , a cat , and "more" .', "A boy ."),
        "2.JPG": ("A girl , unquoted .",),
        "3.jpg": ("x y",),
    }
    (finding,) = made.open("train").findings.repaired
    assert finding.item == "captions.txt:4" and "were not quoted" in finding.reason
    (tmp_path / "captions.txt").unlink()
    rows = [f"{k}.jpg,{n},Number {n} of {k}" for k in (1, 3) for n in range(5)]
    (tmp_path / "results.csv").write_text(
        "\n".join(["image_name,comment_number,comment", *rows, "2.JPG,0,One"])
    )
    assert everything(made)["3.jpg"] == tuple(f"Number {n} of 3" for n in range(5))


def test_token_files_are_read(tmp_path: Path) -> None:
    pictures(tmp_path / "Flicker8k_Dataset", ["1_a.jpg", "2_b.jpg", "3_c.jpg"])
    lines = [
        f'{k}.jpg#{n}\tA "dog" number {n} , of {k} .' for k in ("1_a", "2_b", "3_c") for n in (0, 1)
    ]
    ghost = [f"2258277193_586949ec62.jpg.1#{n}\tA ghost ." for n in range(5)]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join([*lines, *ghost]))
    made = recipe(tmp_path, captions_files=["Flickr8k.token.txt"], max_dropped_fraction=0.3)
    assert everything(made)["2_b.jpg"] == (
        'A "dog" number 0 , of 2_b .',
        'A "dog" number 1 , of 2_b .',
    )
    (lost,) = made.open("train").findings.lost
    assert lost.item == "2258277193_586949ec62.jpg.1" and "no such file" in lost.reason


def test_published_lists_cut_the_splits(tmp_path: Path) -> None:
    homes = homes_of("entities")
    chosen = {
        s: [n for n, home in homes.items() if home == s][:3] for s in ("train", "val", "test")
    }
    names = [f"{name}.jpg" for three in chosen.values() for name in three]
    pictures(tmp_path, [*names, "1.jpg"])
    lines = [f"{name}| 0| A picture of {name}" for name in [*names, "1.jpg"]]
    (tmp_path / "results.csv").write_text(
        "\n".join(["image_name| comment_number| comment", *lines])
    )
    made = recipe(tmp_path, split_family="entities")
    made.check()
    for split, three in chosen.items():
        opened = made.open(split)
        assert [opened.sample_id(k) for k in range(3)] == sorted(f"{name}.jpg" for name in three)
    (lost,) = made.open("train").findings.lost
    assert (lost.item, lost.reason) == ("1.jpg", "in none of the lists of split_family=entities")
    with pytest.raises(ValueError, match=r"split_family='?other"):
        recipe(tmp_path, split_family="other")


def test_too_much_loss_is_refused(tmp_path: Path) -> None:
    """Of ten thousand pictures most were pointers once, and nobody was told."""
    names = [f"{k}.jpg" for k in range(20)]
    pictures(tmp_path, names)
    for name in names[:15]:
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n")
    (tmp_path / names[15]).write_bytes(b"")
    (tmp_path / "captions.txt").write_text("\n".join(["image,caption", *(f"{n},x" for n in names)]))
    with pytest.raises(DataError) as caught:
        recipe(tmp_path, max_dropped_fraction=0.05).open("train")
    assert str(caught.value) == (
        f"dataset.data_dir={tmp_path}: 16 of 20 pictures would be dropped (15: this is a git-LFS "
        "pointer, not the picture; get it by `git lfs pull`; 1: the file is empty), more than "
        "dataset.max_dropped_fraction=0.05; mend them or raise it"
    )
    assert len(recipe(tmp_path, max_dropped_fraction=0.8).open("train")) == 1


def test_check_says_what_to_put_where(tmp_path: Path) -> None:
    made = recipe(tmp_path / "data", captions_files=["results.csv"])
    with pytest.raises(DataError) as caught:
        made.check()
    assert str(caught.value) == (
        f"dataset.data_dir={tmp_path / 'data'}: the folder does not exist; put the pictures and "
        "results.csv there, or set dataset.data_dir=..."
    )
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="no results.csv in it; put it there"):
        made.check()
    (tmp_path / "data" / "results.csv").write_text("")
    with pytest.raises(DataError, match="no picture in it; put the pictures there"):
        made.check()
    pictures(tmp_path / "data", ["1.jpg"])
    with pytest.raises(DataError, match="results.csv: no column image; its first line .* nothing"):
        made.check()


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="dataset.data_dir=''"):
        CaptionTable("", ["x"], "hash", 0.1, 0.1, 0.1)
    with pytest.raises(ValueError, match="dataset.test_fraction=2"):
        recipe(Path("x"), test_fraction=2)
    with pytest.raises(ValueError, match="dataset.max_dropped_fraction=1.5"):
        recipe(Path("x"), max_dropped_fraction=1.5)


def test_different_pictures_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    for folder, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / folder).mkdir()
        for k in range(6):
            Image.new("RGB", (8, 6), colour).save(tmp_path / folder / f"{k}.png")
    rows = ["image,caption", *(f"{k}.png,x" for k in range(6))]
    (tmp_path / "captions.txt").write_text("\n".join(rows))
    with pytest.raises(DataError, match="0.png: 2 different pictures have this name"):
        recipe(tmp_path, max_dropped_fraction=1.0).check()
    rows = ["image,caption", *(f"{folder}/{k}.png,{folder}" for folder in "ab" for k in range(6))]
    (tmp_path / "captions.txt").write_text("\n".join(rows))
    found = everything(recipe(tmp_path))
    assert len(found) == 12 and found["b/3.png"] == ("b",)


def test_a_copy_of_the_whole_folder_is_no_fault(tmp_path: Path) -> None:
    """As an archive that goes round has it."""
    for folder in ("images", "images/images"):
        pictures(tmp_path / folder, [f"{k}.jpg" for k in range(4)])
    rows = ["image,caption", *(f"{k}.jpg,x" for k in range(4))]
    (tmp_path / "captions.txt").write_text("\n".join(rows))
    made = recipe(tmp_path)
    assert len(everything(made)) == 4 and made.open("train").findings.dropped == []


def test_lists_without_a_picture_of_a_split_cut_nothing_else(tmp_path: Path) -> None:
    homes = homes_of("karpathy")
    names = [f"{n}.jpg" for n, home in homes.items() if home == "train"][:20]
    pictures(tmp_path, names)
    rows = ["image,caption", *(f"{name},x" for name in names)]
    (tmp_path / "captions.txt").write_text("\n".join(rows))
    with pytest.raises(DataError, match="no picture is left of 0, and (val|test) needs"):
        recipe(tmp_path, split_family="karpathy").check()
    with pytest.raises(DataError, match="test needs at least one"):
        recipe(tmp_path, split_family="karpathy").open("test")

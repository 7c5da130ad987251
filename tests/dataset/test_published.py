from datetime import datetime
from pathlib import Path

import pytest
from datasets import ClassLabel, List, Value

from sdexp.dataset.published import Published
from sdexp.dataset.selection import Kind
from sdexp.ground.errors import DataError
from tests.dataset.hubs import png, row, write_set
from tests.dataset.test_selection import selection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set", [row(k) for k in range(7)], files=2)


def numbers(published: Published, place: object = None) -> list[int]:
    return [int(row["text"].split()[1]) for row, _ in published.rows("train", place)]  # type: ignore[arg-type]


def test_rows_come_in_order_with_their_bytes(folder: Path) -> None:
    published = Published(selection(path=str(folder)))
    assert published.splits() == ["train"]
    assert numbers(published) == list(range(7))
    first, _ = next(published.rows("train", None))
    assert published.picture(first) == png((0, 90, 90))


@pytest.mark.parametrize("read", [2, 4])
def test_a_place_leads_to_the_next_row_also_of_another_file(folder: Path, read: int) -> None:
    published = Published(selection(path=str(folder)))
    rows = published.rows("train", None)
    places = [next(rows)[1]() for _ in range(read)]
    rows.close()
    assert numbers(published, places[-1]) == list(range(read, 7))


def test_a_picture_that_is_only_named_is_read_where_it_is_the_sets_own(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "a.png").write_bytes(b"bytes")
    published = Published(selection(path=str(folder)))

    def read(path: Path | str | None) -> bytes | None:
        named = None if path is None else str(path)
        return published.picture({"image": {"bytes": None, "path": named}})

    assert read(folder / "a.png") == b"bytes"
    for other in (tmp_path / "secret.png", folder / "../secret.png", folder / "gone.png", None):
        assert read(other) is None
    assert read("hf://datasets/other/set@main/a.png") is None
    assert published.picture({"image": None}) is None


def test_pictures_without_the_metadata_of_the_hub_are_pictures(tmp_path: Path) -> None:
    import pandas as pd

    (tmp_path / "data").mkdir()
    rows = [{"image": {"bytes": png((k, 0, 0)), "path": None}, "text": f"c {k}"} for k in (0, 1)]
    pd.DataFrame(rows).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    published = Published(selection(path=str(tmp_path)))
    published.check()
    first, _ = next(published.rows("train", None))
    assert published.picture(first) == png((0, 0, 0))


def test_a_set_that_does_not_say_what_it_holds_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("image,text\na.png,a cat\n")
    with pytest.raises(DataError, match="does not say what its columns hold"):
        Published(selection(path=str(tmp_path))).check()


def test_what_is_not_there_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dataset.path=owner/name: .* and HF_HUB_OFFLINE=1; fetch"):
        Published(selection(path="owner/name")).check()
    with pytest.raises(DataError, match="dataset.path=./nothing: no such folder"):
        Published(selection(path="./nothing")).check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"dataset.path=.*: cannot be read \("):
        Published(selection(path=str(tmp_path / "empty"))).check()


def test_a_hub_that_cannot_be_reached_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdexp.dataset.published.hub_is_reachable", lambda: True)
    with pytest.raises(DataError, match=r"dataset.path=owner/name: cannot be read \("):
        Published(selection(path="owner/name")).check()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PAR1 and no more", "no whole parquet file; fetch it again"),
        (b"", "no whole parquet file"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "this is a git-LFS pointer",
        ),
    ],
)
@pytest.mark.parametrize("part", [0, 1])
def test_files_that_are_no_parquet_are_named(
    folder: Path, part: int, content: bytes, told: str
) -> None:
    file = sorted((folder / "data").iterdir())[part]
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"{file.name}: {told}"):
        Published(selection(path=str(folder))).check()


def test_files_of_differing_columns_are_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    write_set(tmp_path / "other", [row(0, text=[3])], text=List(Value("int64")))
    (tmp_path / "other/data/train-00000-of-00001.parquet").rename(
        folder / "data" / "train-00001-of-00002.parquet"
    )
    with pytest.raises(DataError, match=r"dataset.path=.*: cannot be read \("):
        numbers(Published(selection(path=str(folder))))


def test_an_unknown_configuration_is_told_with_those_that_are_there(folder: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(.*default"):
        Published(selection(path=str(folder), config_name="other")).check()


def test_columns_are_told_by_what_they_hold(tmp_path: Path) -> None:
    labels = List(ClassLabel(names=["Cat", "Dog"]))
    rows = [row(k, n=k, tags=[k], when=datetime(2026, 1, 1)) for k in range(2)]
    kinds = {"n": Value("int64"), "tags": labels, "when": Value("timestamp[s]")}
    folder = write_set(tmp_path, rows, **kinds)
    columns = Published(selection(path=str(folder))).columns("train")
    assert {name: column.kind for name, column in columns.items()} == {
        "image": Kind.picture,
        "style": Kind.label,
        "text": Kind.text,
        "n": Kind.number,
        "tags": Kind.label,
        "when": Kind.other,
    }
    assert columns["tags"].labels == ("Cat", "Dog")


def test_another_content_is_another_version(folder: Path) -> None:
    before = Published(selection(path=str(folder))).version
    assert Published(selection(path=str(folder))).version == before
    write_set(folder, [row(k) for k in range(8)], files=2)
    assert Published(selection(path=str(folder))).version != before

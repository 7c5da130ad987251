from pathlib import Path

import pytest
from datasets import Value

from sdexp.dataset.published import Published
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


def test_a_picture_that_is_only_named_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"bytes")
    published = Published(selection(path=str(folder)))
    assert (
        published.picture({"image": {"bytes": None, "path": str(tmp_path / "a.png")}}) == b"bytes"
    )
    assert published.picture({"image": {"bytes": None, "path": None}}) is None
    assert published.picture({"image": None}) is None


def test_what_holds_no_pictures_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="dataset.image_column=text: holds no pictures but Value"):
        Published(selection(path=str(folder), image_column="text")).check()


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


@pytest.mark.parametrize("part", [0, 1])
def test_damaged_files_are_told_in_a_line(folder: Path, part: int) -> None:
    file = sorted((folder / "data").iterdir())[part]
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=r"dataset.path=.*: cannot be read \("):
        numbers(Published(selection(path=str(folder))))


def test_an_unknown_configuration_is_told_with_those_that_are_there(folder: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(.*default"):
        Published(selection(path=str(folder), config_name="other")).check()


def test_labels_in_lists_count_too(tmp_path: Path) -> None:
    folder = write_set(tmp_path, [row(k, n=k) for k in range(2)], n=Value("int64"))
    assert list(Published(selection(path=str(folder))).labels("train")) == ["style"]

import json
from pathlib import Path

import pytest

from sdexp.dataset import extraction
from sdexp.dataset.extraction import check_same, extract, is_whole, left_out
from sdexp.dataset.published import Published
from sdexp.ground.errors import DataError
from tests.dataset.hubs import png, row, write_set
from tests.dataset.test_selection import selection


def content(folder: Path) -> dict[str, bytes]:
    """Everything but what is hidden."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in files
        if not file.name.startswith(".")
    }


@pytest.fixture
def published(tmp_path: Path) -> Published:
    write_set(tmp_path / "set", [row(k) for k in range(9)], files=2)
    return Published(selection(path=str(tmp_path / "set"), where={"style": "Pop_Art"}))


def test_pictures_and_captions_lie_in_a_folder(published: Published, tmp_path: Path) -> None:
    extract(published, tmp_path / "out")
    found = content(tmp_path / "out")
    facts = json.loads(found.pop("selection.json"))
    lines = [json.loads(line) for line in found.pop("metadata.jsonl").splitlines()]
    assert found == {f"0000/{k:06d}.png": png((k, 90, 90)) for k in (2, 5, 8)}
    assert lines == [{"file_name": f"0000/{k:06d}.png", "text": f"caption {k}"} for k in (2, 5, 8)]
    assert facts["where"] == {"style": "Pop_Art"} and facts["version"] == published.version
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize("die_at", [0, 3, 4, 8])
def test_after_a_kill_it_goes_on_to_the_same_bytes(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, die_at: int
) -> None:
    monkeypatch.setattr(extraction, "NOTED", 2)
    extract(published, tmp_path / "at_once")
    rows = published.rows
    seen: list[int] = []

    def dying(split: str, place: object) -> object:
        for found in rows(split, place):  # type: ignore[arg-type]
            number = int(found[0]["text"].split()[1])
            if number == die_at and number not in seen:
                seen.append(number)
                raise KeyboardInterrupt
            seen.append(number)
            yield found

    monkeypatch.setattr(published, "rows", dying)
    with pytest.raises(KeyboardInterrupt):
        extract(published, tmp_path / "killed")
    assert not is_whole(tmp_path / "killed")
    del seen[:-1]
    extract(published, tmp_path / "killed")
    assert content(tmp_path / "killed") == content(tmp_path / "at_once")
    assert min(seen[1:]) == die_at // 2 * 2


def test_what_is_whole_is_not_read_again(published: Published, tmp_path: Path) -> None:
    extract(published, tmp_path / "out")
    before = content(tmp_path / "out")
    for file in (tmp_path / "set" / "data").iterdir():
        file.unlink()
    extract(published, tmp_path / "out")
    assert content(tmp_path / "out") == before


def test_no_more_pictures_are_taken_than_asked_for(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(9)])
    extract(Published(selection(path=str(tmp_path / "set"), max_pictures=2)), tmp_path / "out")
    assert len((tmp_path / "out" / "metadata.jsonl").read_text().splitlines()) == 2


def test_a_row_without_a_picture_keeps_its_line(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(0), row(1, image=None)])
    extract(Published(selection(path=str(tmp_path / "set"))), tmp_path / "out")
    lines = (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"file_name": "row 1", "text": "caption 1"}


def test_splits_of_the_set_are_kept_and_others_left_out(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        write_set(tmp_path / "set", [row(0)], name)
    extract(Published(selection(path=str(tmp_path / "set"))), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        "train",
        "val",
        "test",
    }


def test_splits_without_one_to_train_on_are_refused(tmp_path: Path) -> None:
    for name in ("validation", "test"):
        write_set(tmp_path / "set", [row(0)], name)
    with pytest.raises(DataError, match="has the splits validation, test and none called train"):
        extract(Published(selection(path=str(tmp_path / "set"))), tmp_path / "out")


def test_splits_that_mean_the_same_are_refused(tmp_path: Path) -> None:
    for name in ("train", "validation", "valid"):
        write_set(tmp_path / "set", [row(0)], name)
    with pytest.raises(DataError, match="two of which mean the same; rename one"):
        extract(Published(selection(path=str(tmp_path / "set"))), tmp_path / "out")


def test_splits_of_other_names_are_told(tmp_path: Path) -> None:
    for name in ("train", "extra"):
        write_set(tmp_path / "set", [row(0)], name)
    extract(Published(selection(path=str(tmp_path / "set"))), tmp_path / "out")
    assert left_out(tmp_path / "out") == ["extra"]


def test_where_no_row_is_taken_nothing_is_left(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(0)])
    none = selection(path=str(tmp_path / "set"), where={"style": "Pop_Art"})
    with pytest.raises(DataError, match="dataset.where={'style': 'Pop_Art'}: no row of .* has the"):
        extract(Published(none), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that a command left after four of nine rows."""
    monkeypatch.setattr(extraction, "NOTED", 2)
    write_set(tmp_path / "set", [row(k) for k in range(9)])
    published = Published(selection(path=str(tmp_path / "set")))
    rows = published.rows

    def dying(split: str, place: object) -> object:
        for number, found in enumerate(rows(split, place)):  # type: ignore[arg-type]
            if number == 4:
                raise KeyboardInterrupt
            yield found

    with monkeypatch.context() as patched:
        patched.setattr(published, "rows", dying)
        with pytest.raises(KeyboardInterrupt):
            extract(published, tmp_path / "out")
    return tmp_path / "out"


def texts(folder: Path) -> list[str]:
    lines = (folder / "metadata.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines]


def test_rows_of_two_versions_are_never_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = killed(tmp_path, monkeypatch)
    write_set(tmp_path / "set", [row(k, text=f"new {k}") for k in range(9)])
    extract(Published(selection(path=str(tmp_path / "set"))), folder)
    assert texts(folder) == [f"new {k}" for k in range(9)]
    assert "changed meanwhile; its train is read anew" in capsys.readouterr().out


def test_where_captions_are_gone_it_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = killed(tmp_path, monkeypatch)
    (folder / "metadata.jsonl").unlink()
    extract(Published(selection(path=str(tmp_path / "set"))), folder)
    assert texts(folder) == [f"caption {k}" for k in range(9)]


def test_files_that_changed_later_are_told(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(0)])
    published = Published(selection(path=str(tmp_path / "set")))
    extract(published, tmp_path / "out")
    check_same(published, tmp_path / "out")
    write_set(tmp_path / "set", [row(0), row(1)])
    with pytest.raises(DataError, match="its files changed since they were laid out in .*remove"):
        check_same(Published(published.selection), tmp_path / "out")

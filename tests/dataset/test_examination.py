"""What is remembered of pictures, and when they are read again."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from sdexp.dataset import examination
from sdexp.dataset.examination import KIND, examine_all
from sdexp.dataset.pictures import BadPicture
from sdexp.ground.store import Store


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    paths = [folder / f"{k}.png" for k in range(6)]
    for k, path in enumerate(paths):
        Image.new("RGB", (8 + k, 6), (k, 0, 0)).save(path)
    return paths


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names of the files that were read and of those that were decoded."""
    done: dict[str, list[str]] = {"read": [], "decoded": []}
    read, decode = examination.read_bytes, examination.examine

    def reading(path: Path) -> bytes:
        done["read"].append(path.name)
        return read(path)

    def decoding(data: bytes, sha256: str) -> examination.Verdict:
        done["decoded"].append(sha256)
        return decode(data, sha256)

    monkeypatch.setattr(examination, "read_bytes", reading)
    monkeypatch.setattr(examination, "examine", decoding)
    return done


def test_a_second_start_reads_nothing(
    pictures: list[Path], store: Store, work: dict[str, list[str]]
) -> None:
    first = examine_all(pictures, store)
    assert [verdict.size for verdict in first] == [(8 + k, 6) for k in range(6)]
    assert len(work["read"]) == len(work["decoded"]) == 6
    assert examine_all(pictures, store) == first
    # Of a part of the folder as well, in any order.
    assert examine_all(pictures[4:1:-1], store) == first[4:1:-1]
    assert len(work["read"]) == 6


def test_what_changed_is_noticed(
    pictures: list[Path], store: Store, work: dict[str, list[str]]
) -> None:
    before = examine_all(pictures, store)
    Image.new("RGB", (8, 6), (9, 9, 9)).save(pictures[0])
    status = pictures[1].stat()
    pictures[1].write_bytes(pictures[1].read_bytes()[:-4] + b"none")
    os.utime(pictures[1], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    pictures[2].unlink()
    added = pictures[0].with_name("new.png")
    Image.new("L", (3, 3)).save(added)
    after = examine_all([*pictures, added], store)
    assert after[0].sha256 != before[0].sha256 and after[0].fault is None
    assert after[1].sha256 != before[1].sha256
    assert "No such file" in (after[2].fault or "")
    assert after[3:6] == before[3:6] and after[6].repairs == ("grey converted to RGB",)
    assert sorted(work["read"][6:]) == ["0.png", "1.png", "2.png", "new.png"]
    # A file that cannot be reached is asked for again each time.
    Image.new("RGB", (8, 6)).save(pictures[2])
    assert examine_all(pictures, store)[2].fault is None


def test_contents_under_other_names_are_not_decoded_again(
    pictures: list[Path], store: Store, work: dict[str, list[str]]
) -> None:
    first = examine_all(pictures, store)
    copies = [shutil.copy(path, path.with_name(f"copy-{path.name}")) for path in pictures]
    assert examine_all([Path(copy) for copy in copies], store) == first
    assert len(work["read"]) == 12 and len(work["decoded"]) == 6


def test_an_interruption_loses_no_more_than_a_chunk(
    pictures: list[Path],
    store: Store,
    work: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examination, "CHUNK", 2)
    save, saved = examination._save, []

    def failing(store: Store, key: str, index: examination.Index) -> None:
        save(store, key, index)
        saved.append(len(index))
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(examination, "_save", failing)
    with pytest.raises(KeyboardInterrupt):
        examine_all(pictures, store)
    assert saved == [2, 4] and len(work["read"]) == 4
    examine_all(pictures, store)
    assert len(work["read"]) == 6


def test_a_damaged_index_is_made_anew(pictures: list[Path], store: Store) -> None:
    first = examine_all(pictures, store)
    (file,) = (store.root / KIND).rglob("*.bin")
    file.write_bytes(file.read_bytes()[:-9])
    assert examine_all(pictures, store) == first


def test_names_that_are_no_text_are_remembered(store: Store, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    Image.new("RGB", (4, 4)).save(path)
    assert examine_all([path], store) == examine_all([path], store)


def test_no_picture_is_no_verdict(store: Store) -> None:
    assert examine_all([], store) == []


def test_what_could_not_be_read_is_asked_for_again(
    pictures: list[Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that was away for a moment is no property of the file."""
    read = examination.read_bytes

    def failing(path: Path) -> bytes:
        raise BadPicture("Input/output error")

    monkeypatch.setattr(examination, "read_bytes", failing)
    assert {verdict.fault for verdict in examine_all(pictures, store)} == {"Input/output error"}
    monkeypatch.setattr(examination, "read_bytes", read)
    assert {verdict.fault for verdict in examine_all(pictures, store)} == {None}


def test_a_store_that_may_only_be_read_serves(
    pictures: list[Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = examine_all(pictures, store)

    def refusing(*_: object, **__: object) -> None:
        raise AssertionError("locked")

    monkeypatch.setattr(Store, "lock", refusing)
    assert examine_all(pictures, store) == first

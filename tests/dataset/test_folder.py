"""What lies in a folder."""

from pathlib import Path

import pytest

from sdexp.dataset.captions import CaptionBook
from sdexp.dataset.folder import check_folder, pictures_in, scan
from sdexp.ground.errors import DataError


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "b.png").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.png").touch()
    (root / "one").symlink_to(tmp_path / "elsewhere")
    (root / "two").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    book = CaptionBook()
    assert list(scan(root, book)) == ["a.png", "one/deep/b.png"]
    assert book.findings.dropped == []


def test_hidden_pictures_are_told_of_and_other_hidden_files_not(tmp_path: Path) -> None:
    for name in ("a.png", ".b.png", "..m.JPG", "._a.png", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).touch()
    book = CaptionBook()
    files = scan(tmp_path, book)
    assert pictures_in(files) == ["a.png"] and "Thumbs.db" in files
    assert sorted(finding.item for finding in book.findings.dropped) == ["..m.JPG", ".b.png"]


def test_odd_names_of_folders_are_read(tmp_path: Path) -> None:
    for name in ("[ ]", "with space", "quo'te", "\u00fcml\u00e4ut"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
        assert list(scan(check_folder(str(tmp_path / name), "x"), CaptionBook())) == ["a.png"]
    with pytest.raises(DataError, match="the folder does not exist; put x there"):
        check_folder(str(tmp_path / "none"), "x")


def test_runs_inside_the_data_are_no_data(tmp_path: Path) -> None:
    """As after a training in the folder of its own pictures."""
    run = tmp_path / "outputs" / "day" / "run"
    (run / "images" / "original").mkdir(parents=True)
    for name in ("a.png", "outputs/b.png", "outputs/day/run/images/original/c.png"):
        (tmp_path / name).touch()
    for name in ("config.yaml", ".lock"):
        (run / name).touch()
    book = CaptionBook()
    assert list(scan(tmp_path, book)) == ["a.png", "outputs/b.png"]
    (finding,) = book.findings.dropped
    assert (finding.item, finding.unit) == ("outputs/day/run/", "row")
    assert finding.reason == "the folder of a run is not read"
    # Named itself, such a folder is read.
    assert list(scan(run, CaptionBook())) == ["config.yaml", "images/original/c.png"]

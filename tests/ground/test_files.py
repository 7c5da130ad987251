import os
import stat
from pathlib import Path

import pytest

from sdexp.ground.errors import ConfigError, DiskError
from sdexp.ground.files import (
    check_room,
    disk_faults,
    make_folder,
    named_path,
    remove_leftovers,
    write_text,
    written_whole,
)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.json"
    write_text(file, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"run\.json: cannot be written \(No space left"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_faults_that_are_no_disk_faults_pass() -> None:
    with pytest.raises(FileNotFoundError), disk_faults(Path("x")):
        Path("does/not/exist").read_text()


def test_what_is_written_has_the_rights_of_the_umask(tmp_path: Path) -> None:
    with written_whole(tmp_path / "a") as temporary:
        temporary.unlink()
        os.close(os.open(temporary, os.O_CREAT, 0o600))
    (tmp_path / "b").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1] != 0o600


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_what_killed_commands_left_goes_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "weights" / ".tmp-a-1").mkdir(parents=True)
    for name in (".tmp-run.json-1", "run.json", "weights/.tmp-a-1/.tmp-b", "weights/a"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"run.json", "weights", "weights/a"}


def test_a_folder_that_cannot_be_made_is_a_disk_fault() -> None:
    with pytest.raises(DiskError, match="/proc/x: cannot be"):
        make_folder(Path("/proc/x"))


def test_room_is_asked_for(tmp_path: Path) -> None:
    check_room(tmp_path, 1)
    with pytest.raises(DiskError, match="needs 1000000000.00 GB, .* are free; make room"):
        check_room(tmp_path, 10**18)


@pytest.mark.parametrize("value", ["", "  ", "a" * 256, "ä" * 128, "a/" * 2100, "a\0b"])
def test_what_can_be_no_path_is_refused_before_it_is_used(value: str) -> None:
    with pytest.raises(ConfigError, match="^run_dir"):
        named_path("run_dir", value)


@pytest.mark.parametrize("value", ["a" * 255, "ä" * 127, "a b/[c]", ".", "~"])
def test_odd_paths_are_paths(value: str) -> None:
    assert named_path("run_dir", value) == Path(value)

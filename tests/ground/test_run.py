import os
from pathlib import Path

import pytest

from sdexp.ground.run import RunFolder, disk_faults, new_run_folder, write_text
from sdexp.ground.types import ConfigError, DiskError


def test_every_new_folder_is_its_own(tmp_path: Path) -> None:
    folders = {new_run_folder(tmp_path, "lora-pocket").path for _ in range(20)}
    assert len(folders) == 20


def test_the_record_is_merged(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.update_record(status="running", exit_code=None)
    run.update_record(status="finished")
    assert run.read_record() == {"status": "finished", "exit_code": None}


def test_two_commands_never_share_a_live_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with run.lock(), pytest.raises(ConfigError, match=f"pid {os.getpid()}"), run.lock():
        pass
    with run.lock():
        pass


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

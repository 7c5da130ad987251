import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdexp.ground.errors import ConfigError, DiskError
from sdexp.ground.run import RunFolder, disk_faults, new_run_folder, write_text


def test_every_new_folder_is_its_own(tmp_path: Path) -> None:
    folders = {new_run_folder(tmp_path, "lora-pocket").path for _ in range(20)}
    assert len(folders) == 20


def test_the_record_is_merged(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.update_record(status="running", exit_code=None)
    run.update_record(status="finished")
    assert run.read_record() == {"status": "finished", "exit_code": None}


def test_two_commands_never_share_a_live_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdexp.ground.run.LOCK_SECONDS", 0.2)
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


def test_who_inherits_the_lock_holds_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdexp.ground.run.LOCK_SECONDS", 0.2)
    run = RunFolder(tmp_path)
    with run.lock() as handle:
        command = [sys.executable, "-c", "input()"]
        child = subprocess.Popen(command, pass_fds=[handle], stdin=subprocess.PIPE)
    with pytest.raises(ConfigError, match="another command"), run.lock():
        pass
    child.communicate(b"\n")
    with run.lock():
        pass


def test_results_are_kept_and_half_made_ones_are_not(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for whole in (False, True):
        (run.images("original") / "deep").mkdir(parents=True)
        run.evaluation_config.write_text("x")
        if whole:
            run.scores.write_text("{}")
        run.set_results_aside()
        assert not run.evaluation_config.exists() and not run.images("original").exists()
        assert run.previous.exists() == whole
    (kept,) = run.previous.iterdir()
    assert (kept / "scores.json").read_text() == "{}" and (kept / "images/original/deep").is_dir()


def test_a_training_that_goes_on_is_not_trained(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.update_record(stage="train", status="running")
    assert not run.is_trained()
    run.update_record(status="finished")
    assert run.is_trained()
    run.update_record(stage="evaluate", status="failed")
    assert run.is_trained()


def test_what_a_command_killed_at_its_start_leaves_is_no_other_file(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert not run.holds_other_files()
    run.path.mkdir()
    run.update_record(status="running")
    with run.lock():
        pass
    assert not run.holds_other_files()
    (run.path / "mine.txt").touch()
    assert run.holds_other_files()

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder, new_run_folder


def test_every_new_folder_is_its_own(tmp_path: Path) -> None:
    folders = {new_run_folder(tmp_path, "lora-pocket").path for _ in range(20)}
    assert len(folders) == 20


def test_a_record_is_changed_and_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_record(RunRecord(status="running", command="x"))
    assert run.change_record(status="finished") == run.read_record()
    assert run.read_record() == RunRecord(status="finished", command="x")


def test_two_commands_never_share_a_live_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdexp.ground.run.LOCK_SECONDS", 0.2)
    run = RunFolder(tmp_path)
    with run.lock(), pytest.raises(ConfigError, match=f"pid {os.getpid()}"), run.lock():
        pass
    with run.lock():
        pass


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


def test_what_a_command_killed_at_its_start_leaves_is_no_other_file(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert not run.holds_other_files()
    run.path.mkdir()
    run.write_record(RunRecord(status="running"))
    with run.lock():
        pass
    assert not run.holds_other_files()
    (run.path / "mine.txt").touch()
    assert run.holds_other_files()

"""A warm process is what a fresh one would be."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from sdexp.launch import warm
from sdexp.launch.warm import Forked, start_from_server, start_server

MODULE = "tests.warmed"


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start the module with words, and the file that its output goes to."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    start_server({})

    def start(*words: str, **variables: str) -> tuple[Forked, Path]:
        output = tmp_path / "output"
        return start_from_server(MODULE, list(words), variables, output), output

    return start


def until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_has_arguments_folder_variables_and_nothing_of_another(
    begin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        monkeypatch.setenv("TOLD", "by the person")
        child, output = begin("end", str(number))
        assert child.wait() == 0 == child.returncode
        told = json.loads(output.read_text().splitlines()[number])
        assert told == {
            "arguments": [str(number)],
            "folder": str(tmp_path),
            "variable": "by the person",
            "leads its session": True,
            "warm": True,
            "state": None,
        }
    child, output = begin("end", TOLD="by its place")
    child.wait()
    assert json.loads(output.read_text().splitlines()[-1])["variable"] == "by its place"
    assert not warm.is_warm()


@pytest.mark.parametrize("work, code", [("fail", 7), ("die", -signal.SIGKILL)])
def test_its_end_is_told_as_that_of_a_fresh_process(begin: Any, work: str, code: int) -> None:
    child, _ = begin(work)
    until(lambda: child.poll() is not None)
    assert child.returncode == code
    child.send_signal(signal.SIGTERM)


def test_an_exception_goes_to_the_hook_of_the_module(begin: Any) -> None:
    child, output = begin("raise")
    assert child.wait() == 1
    assert output.read_text().splitlines()[-1] == "heard of ZeroDivisionError('planted')"


def test_it_outlives_the_server(begin: Any) -> None:
    """The server ignores what ends a whole group; killed, it takes no child along."""
    child, output = begin("wait")
    until(output.exists)
    server = psutil.Process(psutil.Process(child.pid).ppid())
    server.terminate()
    time.sleep(0.2)
    assert server.is_running() and child.poll() is None
    server.kill()
    until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    until(lambda: child.poll() is not None)


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from pathlib import Path\n"
        "from sdexp.launch.warm import start_from_server, start_server\n"
        "start_server({})\n"
        "child = start_from_server('tests.warmed', ['end'], {}, Path('output'))\n"
        "print('ended with', child.wait())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["ended with 0"], done.stderr


def test_signals_reach_it(begin: Any) -> None:
    child, output = begin("wait")
    until(output.exists)
    child.send_signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


def test_a_fork_of_its_own_ends_with_it(begin: Any, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    child, _ = begin("fork", str(note))
    until(lambda: note.exists() and note.read_text())
    grandchild = psutil.Process(int(note.read_text()))
    until(lambda: os.getsid(grandchild.pid) == grandchild.pid)
    child.kill()
    child.wait()
    until(lambda: not grandchild.is_running())

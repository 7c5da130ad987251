import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdexp.finetune.given import Given
from sdexp.ground.errors import (
    ConfigError,
    DataError,
    DiskError,
    DivergedError,
    MemoryFault,
    SdexpError,
)
from sdexp.ground.run import RunFolder
from sdexp.launch.door import existing_run, finished_run, refuse_ranks, run_door, usable_run
from tests.finetune.pocket import lora


def raising(error: BaseException) -> Any:
    def work(arguments: Any) -> int:
        raise error

    return work


@pytest.mark.parametrize(
    "kind, code",
    [(SdexpError, 70), (ConfigError, 2), (DataError, 65), (DiskError, 74), (MemoryFault, 75),
     (DivergedError, 76)],
)  # fmt: skip
def test_a_fault_is_one_line_each_and_a_code(
    kind: type[Exception], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_door("train", raising(kind("first\nsecond")), []) == code
    assert capsys.readouterr().err == "error: first\nerror: second\n"


def test_the_work_gets_its_arguments_and_gives_its_code() -> None:
    seen = []

    def work(arguments: Any) -> int:
        seen.append((arguments.overrides, arguments.multirun))
        return 3

    assert run_door("train", work, ["-m", "a=1"]) == 3 and seen == [(["a=1"], True)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_with_its_code(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(arguments: Any) -> int:
        os.kill(os.getpid(), number)
        return 0

    before = signal.getsignal(number)
    assert run_door("train", work, []) == 128 + number
    assert capsys.readouterr().err == f"error: stopped by {number.name}\n"
    assert signal.getsignal(number) is before


def test_a_fault_of_ours_is_a_traceback_and_70() -> None:
    code = "from sdexp.launch.door import run_door; run_door('train', lambda a: 1 / 0, None)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 70 and "ZeroDivisionError" in answer.stderr
    with pytest.raises(ZeroDivisionError):
        run_door("train", lambda arguments: 1 // 0, [])


def test_a_door_is_no_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_ranks()
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ConfigError, match="set hardware.num_processes=N"):
        refuse_ranks()


def test_a_run_needs_its_configuration_and_record(new_run: Any, tmp_path: Path) -> None:
    run = new_run("run")
    assert usable_run(str(run.path)) == run
    assert existing_run(str(run.path)) == run
    with pytest.raises(ConfigError, match=r"run=absent: no run folder \(config.yaml is missing\)"):
        existing_run("absent")
    run.record.unlink()
    with pytest.raises(DataError, match=r"run\.json: missing"):
        usable_run(str(run.path))


def test_packages_that_a_run_was_made_with_are_named_again(
    new_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: RunFolder = new_run("run")
    run.change_record(plugins=["json", "email"])
    monkeypatch.setenv("SDEXP_PLUGINS", "json")
    with pytest.raises(ConfigError, match=r"made with plugins=\[email\]; add that"):
        usable_run(str(run.path))
    assert existing_run(str(run.path)) == run, "a report builds no part"
    monkeypatch.setenv("SDEXP_PLUGINS", "json,email")
    assert usable_run(str(run.path)) == run


def test_only_a_trained_run_with_weights_is_finished(new_run: Any) -> None:
    run: RunFolder = new_run("run")
    with pytest.raises(ConfigError, match="has no finished weights; finish its training first"):
        finished_run(run, lora(["unet"]))
    run.change_record(stage="evaluate", status="failed")
    with pytest.raises(ConfigError, match="weights are missing; .* writes them again"):
        finished_run(run, lora(["unet"]))
    finished_run(run, Given([], "elsewhere"))
    run.weights.mkdir()
    finished_run(run, lora(["unet"]))

from pathlib import Path

import pytest

from sdexp.ground.config import Device
from sdexp.ground.errors import ConfigError
from sdexp.launch import machine
from tests.machines import hardware


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without drivers and tools; both lie in this folder once they are there."""
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def tool(folder: Path, script: str) -> None:
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_a_gpu_is_refused_only_where_there_surely_is_none(bare: Path) -> None:
    for device in (Device.auto, Device.cpu, Device.mps):
        machine.check_machine(hardware(device))
    with pytest.raises(ConfigError, match="hardware.device=cuda: this machine has none"):
        machine.check_machine(hardware(Device.cuda))
    tool(bare, "exit 1")
    machine.check_machine(hardware(Device.cuda))


@pytest.mark.parametrize("driver", ["nvidia0", "kfd", "dxg"])
def test_a_driver_shows_that_there_may_be_one(bare: Path, driver: str) -> None:
    (bare / "nvidiactl").touch()
    assert not machine.may_have_gpu()
    (bare / driver).touch()
    assert machine.may_have_gpu()


def test_gpus_are_those_that_the_tool_lists(bare: Path) -> None:
    assert machine.visible_gpus() == []
    tool(bare, "echo 0; echo 1")
    assert machine.visible_gpus() == ["0", "1"]
    tool(bare, "echo no driver; exit 9")
    assert machine.visible_gpus() == []


def test_the_variable_counts_before_the_tool(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(bare, "echo 0; echo 1; echo 2")
    for value, names in (("2", ["2"]), ("1,GPU-a", ["1", "GPU-a"]), ("", []), (" ", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert machine.visible_gpus() == names

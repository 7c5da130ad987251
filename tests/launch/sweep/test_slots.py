import os
import stat
import sys
from pathlib import Path

import pytest

from sdexp.ground.config import Device
from sdexp.ground.errors import ConfigError
from sdexp.launch.sweep.slots import Slot, may_fork, slots_of, visible_gpus
from tests.machines import hardware


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight cores whose nvidia-smi is a script in this folder."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    return tmp_path


def with_gpus(machine: Path, count: int) -> None:
    tool = machine / "nvidia-smi"
    tool.write_text("#!/bin/sh\n" + "".join(f"echo {k}\n" for k in range(count)))
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def test_without_a_gpu_jobs_share_the_cores(machine: Path) -> None:
    with_gpus(machine, 0)
    assert [slot.variables for slot in slots_of(1, [hardware()])] == [{}]
    assert [slot.variables for slot in slots_of(None, [hardware()])] == [{}]
    assert [s.variables for s in slots_of(2, [hardware()])] == [{"OMP_NUM_THREADS": "4"}] * 2
    two = [hardware(processes=2), hardware()]
    assert [s.variables for s in slots_of(2, two)] == [{"OMP_NUM_THREADS": "2"}] * 2


def test_a_chosen_number_of_threads_stays(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert [s.variables for s in slots_of(2, [hardware(Device.cpu)])] == [{}, {}]


def test_one_job_for_each_gpu(machine: Path) -> None:
    with_gpus(machine, 3)
    given = [slot.variables for slot in slots_of(None, [hardware()])]
    assert given == [{"CUDA_VISIBLE_DEVICES": str(k)} for k in range(3)]
    given = [slot.variables for slot in slots_of(None, [hardware(processes=2)])]
    assert given == [{"CUDA_VISIBLE_DEVICES": "0,1"}]
    assert [slot.variables for slot in slots_of(2, [hardware(Device.cpu)])] == [
        {"OMP_NUM_THREADS": "4"}
    ] * 2


def test_too_few_gpus_are_told(machine: Path) -> None:
    with_gpus(machine, 3)
    with pytest.raises(ConfigError, match=r"sweep.jobs=2: needs 4 GPUs, 3 are visible"):
        slots_of(2, [hardware(processes=2)])


def test_only_visible_gpus_are_given(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(machine, 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7c1a")
    assert visible_gpus() == ["5", "GPU-7c1a"]
    assert slots_of(None, [hardware()])[1].variables == {"CUDA_VISIBLE_DEVICES": "GPU-7c1a"}


def test_jobs_are_forks_only_where_no_gpu_may_be_asked_for() -> None:
    assert may_fork([Slot({}), Slot({"OMP_NUM_THREADS": "1"})]) is (sys.platform == "linux")
    assert not may_fork([Slot({"CUDA_VISIBLE_DEVICES": "0"})])

"""Where the jobs of a sweep run: a share of the cores, or GPUs of their own. Imports no torch."""

import os
import sys
from dataclasses import dataclass

from sdexp.ground.config import Device, HardwareConfig
from sdexp.ground.errors import ConfigError
from sdexp.launch.machine import visible_gpus


@dataclass(frozen=True)
class Slot:
    """Environment variables of the jobs that run in one place."""

    variables: dict[str, str]


def slots_of(jobs: int | None, hardware: list[HardwareConfig]) -> list[Slot]:
    """One slot for each job at once; `jobs` null is one per GPU, or one without a GPU.

    Raises `ConfigError` when there are fewer GPUs than the jobs need.
    """
    on_gpu = any(part.device in (Device.auto, Device.cuda) for part in hardware)
    gpus = visible_gpus() if on_gpu else []
    processes = max(part.num_processes for part in hardware)
    count = jobs or max(1, len(gpus) // processes)
    if not gpus:
        return [Slot(_threads(count * processes) if count > 1 else {}) for _ in range(count)]
    if count * processes > len(gpus):
        raise ConfigError(
            f"sweep.jobs={count}: needs {count * processes} GPUs, {len(gpus)} are visible; allowed "
            f"is {len(gpus) // processes} or fewer"
        )
    shares = [gpus[k * processes : (k + 1) * processes] for k in range(count)]
    return [Slot({"CUDA_VISIBLE_DEVICES": ",".join(share)}) for share in shares]


def may_fork(slots: list[Slot]) -> bool:
    """Whether jobs may be forks of a process that has loaded what they need.

    Not where a GPU might be asked for before the fork, and only on Linux.
    """
    on_gpu = any("CUDA_VISIBLE_DEVICES" in slot.variables for slot in slots)
    return sys.platform == "linux" and not on_gpu


def _threads(shares: int) -> dict[str, str]:
    """An even share of the cores, unless the person set one."""
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // shares))}

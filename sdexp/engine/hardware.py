"""Devices, processes and learning rates."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sdexp.ground.config import Device, HardwareConfig, Precision, SchedulerConfig
from sdexp.ground.errors import ConfigError
from sdexp.model.packed import can_pack

if TYPE_CHECKING:
    from accelerate import Accelerator


# Numbers of a network that is larger than the caches of any processor.
LARGE = 100_000_000
# Steps after which arranging convolutions once has cost less than arranging them in every step.
REPAYING = 32
# What kept captions may take, in bytes: 4,500 of Stable Diffusion 1 in float32.
PROMPT_MEMORY = 2**30


def device_name(device: str) -> str:
    """A device as a person knows it."""
    if torch.device(device).type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"


def accelerators() -> dict[Device, bool]:
    """Which of the devices beside the CPU this machine has, the best first."""
    return {
        Device.cuda: torch.cuda.is_available(),
        Device.mps: torch.backends.mps.is_available(),
    }


def make_accelerator(hardware: HardwareConfig) -> Accelerator:
    """Accelerate on the wanted device; `ConfigError` when the machine does not have it."""
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    present = accelerators()
    if hardware.device in present and not present[hardware.device]:
        raise ConfigError(
            f"hardware.device={hardware.device}: this machine has none; use hardware=auto or cpu"
        )
    on_cpu = hardware.device == Device.cpu or not any(present.values())
    if on_cpu and hardware.mixed_precision == Precision.fp16:
        raise ConfigError("hardware.mixed_precision=fp16: allowed on a CPU is no or bf16")
    if hardware.packed_convolutions and not may_pack(hardware, "cpu" if on_cpu else "cuda"):
        raise ConfigError(
            "hardware.packed_convolutions=true: allowed on a CPU with oneDNN, in bf16 also with "
            "AVX-512, and without hardware.compile; set it to null"
        )
    # One that waits longer for the others ends with an error, and so the job.
    patience = InitProcessGroupKwargs(timeout=timedelta(seconds=hardware.timeout))
    return Accelerator(
        cpu=on_cpu,
        mixed_precision=str(hardware.mixed_precision),
        kwargs_handlers=[patience],
    )


def uses_channels_last(hardware: HardwareConfig, device: str) -> bool:
    """Whether convolutions compute with channels last.

    By itself on a GPU in 16 bits, where they are up to 1.2 times as fast (NVIDIA NeMo's figures).
    Two cores of a CPU gained nothing: 2.13 and 2.18 s a step of a whole U-Net.
    """
    if hardware.channels_last is not None:
        return hardware.channels_last
    in_16_bits = hardware.mixed_precision != Precision.no
    return torch.device(device).type == "cuda" and in_16_bits


def may_pack(hardware: HardwareConfig, device: str) -> bool:
    """Whether convolutions can be arranged once; a compiler has arrangements of its own."""
    in_bf16 = hardware.mixed_precision == Precision.bf16
    fits = can_pack(torch.bfloat16 if in_bf16 else torch.float32)
    return torch.device(device).type == "cpu" and fits and not hardware.compile


def packs_convolutions(hardware: HardwareConfig, device: str, frozen: int, steps: int) -> bool:
    """Whether the denoiser's frozen convolutions are arranged once, for so many frozen numbers.

    By itself on a CPU, of a network that its caches do not hold, when the run has steps enough to
    repay it: twice as fast at 128 pixels and batch 1 (`python scripts/bench.py`).
    """
    if hardware.packed_convolutions is not None:
        return hardware.packed_convolutions
    return may_pack(hardware, device) and frozen >= LARGE and steps >= REPAYING


def keeps_prompts(device: str, encoders: int, visits: float) -> bool:
    """Whether text encoders of so many frozen numbers are asked about each caption only once.

    visits: how often a caption comes in a run. Kept texts are encoded one at a time, which costs a
    CPU nothing; a GPU encodes a batch of them in the time of one, and hardly notices.
    """
    return torch.device(device).type == "cpu" and encoders >= LARGE and visits >= 2


def rests_files(device: str, trained: int) -> bool:
    """Whether files of networks that do not train leave memory while so many numbers do.

    Reading Stable Diffusion's text encoder again costs a step 0.03 s; a large training has longer
    ones, and needs 20 bytes a number.
    """
    return torch.device(device).type == "cpu" and trained >= LARGE


def keep_compiled(folder: Path) -> None:
    """Let what is compiled from now on lie there, for later runs; a person's own place stays."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is the lack of memory, of whatever device."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    told = ("not enough memory", "can't allocate memory", "out of memory")
    return known or any(words in str(error) for words in told)


def peak_memory_gb() -> float:
    """The most memory that this process has held, in GB: that of a GPU where it used one."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def rate_factors(scheduler: SchedulerConfig, total: int) -> Callable[[int], float]:
    """The learning rate over its highest, as a pure function of the step, counted from 0."""
    from diffusers.optimization import get_scheduler

    dummy = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(
        str(scheduler.name),
        dummy,
        num_warmup_steps=scheduler.warmup(total),
        num_training_steps=total,
    )
    factor: Callable[[int], float] = schedule.lr_lambdas[0]
    return factor


def best_device() -> str:
    """A GPU where there is one: for what no configuration of hardware speaks of."""
    return "cuda" if torch.cuda.is_available() else "cpu"

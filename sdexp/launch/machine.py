"""What this machine has, found out without torch."""

import os
import shutil
import subprocess
from pathlib import Path

from sdexp.ground.config import Device, HardwareConfig
from sdexp.ground.errors import ConfigError

# Devices of NVIDIA's and AMD's drivers, and of Linux inside Windows.
DRIVERS = ("nvidia[0-9]*", "kfd", "dxg")
DEVICES = Path("/dev")


def check_machine(hardware: HardwareConfig) -> None:
    """Raise `ConfigError` for a GPU where there surely is none; torch decides the rest."""
    if hardware.device == Device.cuda and not may_have_gpu():
        raise ConfigError(
            f"hardware.device={hardware.device}: this machine has none; use hardware=auto or cpu"
        )


def may_have_gpu() -> bool:
    """False only where no driver shows itself."""
    shown = any(any(DEVICES.glob(pattern)) for pattern in DRIVERS)
    return shown or shutil.which("nvidia-smi") is not None


def visible_gpus() -> list[str]:
    """CUDA devices by the names that CUDA_VISIBLE_DEVICES takes."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name.strip()]
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.split() if answer.returncode == 0 else []

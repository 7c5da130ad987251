"""The process that owns the models: `python -m sdexp.engine.serve HANDLE SETTINGS`.

Started by the service, which it talks to over the socket of that handle; it ends when that closes.
"""

import sys

import psutil
import torch

from sdexp.engine.hardware import accelerators, is_out_of_memory
from sdexp.engine.serve.channel import Cancelled, Channel
from sdexp.engine.serve.jobs import Jobs
from sdexp.engine.serve.residents import Residents
from sdexp.engine.serve.safety import SafetyChecker
from sdexp.ground.config import Device
from sdexp.ground.errors import ConfigError, SdexpError
from sdexp.ground.serving import (
    CannotStart,
    Ended,
    MakeGrid,
    MakePictures,
    ModelsSettings,
    Prove,
    Ready,
    decode,
)
from sdexp.ground.store import Store, default_root

# Of the memory that is free at the start, for models; the rest is for what pictures need.
SHARE = 0.5


def main() -> None:
    """Do orders until the service is gone."""
    channel = Channel(int(sys.argv[1]))
    settings = decode(sys.argv[2].encode())
    assert isinstance(settings, ModelsSettings)
    try:
        jobs = _begin(channel, settings)
    except SdexpError as error:
        channel.send(CannotStart(str(error)))
        return
    for order in channel.orders():
        if isinstance(order, Prove):
            jobs.prove(order)
        elif isinstance(order, MakePictures | MakeGrid):
            channel.send(_done(jobs, order))
            channel.close_job(order.job)


def _begin(channel: Channel, settings: ModelsSettings) -> Jobs:
    device = device_of(settings.device)
    named = settings.safety_checker
    checker = None if named is None else SafetyChecker(named, device)
    free = free_bytes(device)
    limit = int(SHARE * free) if settings.memory_gb is None else int(settings.memory_gb * 1e9)
    channel.send(Ready(device, max(0, free - limit)))
    return Jobs(channel, Residents(device, limit), Store(default_root()), checker)


def _done(jobs: Jobs, order: MakePictures | MakeGrid) -> Ended:
    """How a job ended. What is nobody's fault but ours ends the process, with its traceback."""
    try:
        if isinstance(order, MakePictures):
            jobs.pictures(order)
        else:
            jobs.grid(order)
    except Cancelled:
        return Ended(order.job, "cancelled")
    except SdexpError as error:
        return Ended(order.job, "failed", str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return Ended(order.job, "failed", "out of memory: ask for smaller pictures")
    return Ended(order.job, "finished")


def device_of(name: str) -> str:
    """The device of that name, or the best there is; raises `ConfigError` where it is none."""
    present = {**accelerators(), Device.cpu: True}
    if name == Device.auto:
        return str(next(device for device, there in present.items() if there))
    if not present[Device(name)]:
        raise ConfigError(f"device={name}: this machine has none; use device=auto or cpu")
    return name


def free_bytes(device: str) -> int:
    """Memory of the device that nobody uses yet."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


if __name__ == "__main__":
    main()

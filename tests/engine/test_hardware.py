from dataclasses import replace

import pytest
import torch
from diffusers.optimization import get_scheduler

from sdexp.engine.hardware import make_accelerator, rate_factors
from sdexp.ground.config import Device, HardwareConfig, Precision, Schedule, SchedulerConfig
from sdexp.ground.errors import ConfigError

HARDWARE = HardwareConfig(Device.cpu, 1, 600, Precision.no, Precision.no, False, False, 0)


@pytest.mark.parametrize("name", list(Schedule))
def test_rates_are_those_of_diffusers_stepped_once_per_update(name: Schedule) -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.3)
    schedule = get_scheduler(str(name), optimizer, num_warmup_steps=3, num_training_steps=10)
    factor = rate_factors(SchedulerConfig(name, 3, 0.0), 10)
    for step in range(10):
        assert 0.3 * factor(step) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_warmup_as_a_fraction() -> None:
    assert SchedulerConfig(Schedule.linear, 0, 0.25).warmup(200) == 50
    assert SchedulerConfig(Schedule.linear, 7, 0.0).warmup(200) == 7
    with pytest.raises(ValueError, match="set only one of them"):
        SchedulerConfig(Schedule.linear, 7, 0.5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="hardware.device=cuda: this machine has none"):
        make_accelerator(replace(HARDWARE, device=Device.cuda))
    with pytest.raises(ConfigError, match="mixed_precision=fp16"):
        make_accelerator(replace(HARDWARE, device=Device.auto, mixed_precision=Precision.fp16))


def test_auto_takes_what_is_there() -> None:
    present = torch.cuda.is_available() or torch.backends.mps.is_available()
    device = make_accelerator(replace(HARDWARE, device=Device.auto)).device
    assert (device.type == "cpu") is (not present)

from dataclasses import replace

import pytest
import torch
from diffusers.optimization import get_scheduler

from sdexp.engine.hardware import (
    LARGE,
    REPAYING,
    keeps_prompts,
    make_accelerator,
    packs_convolutions,
    rate_factors,
    rests_files,
    uses_channels_last,
)
from sdexp.ground.config import Device, Precision, Schedule, SchedulerConfig
from sdexp.ground.errors import ConfigError
from tests.machines import hardware

HARDWARE = hardware(Device.cpu)


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


@pytest.mark.parametrize(
    "device, mixed, wanted, expected",
    [
        ("cuda:0", Precision.bf16, None, True),
        ("cuda:0", Precision.no, None, False),
        ("cpu", Precision.bf16, None, False),
        ("cpu", Precision.no, True, True),
        ("cuda:0", Precision.fp16, False, False),
    ],
)
def test_the_layout_of_convolutions_follows_device_and_precision(
    device: str, mixed: Precision, wanted: bool | None, expected: bool
) -> None:
    chosen = replace(HARDWARE, device=Device.auto, mixed_precision=mixed, channels_last=wanted)
    assert uses_channels_last(chosen, device) is expected


@pytest.mark.parametrize(
    "device, frozen, wanted, expected",
    [
        ("cpu", LARGE, None, True),
        ("cpu", LARGE - 1, None, False),
        ("cpu", 1, True, True),
        ("cpu", LARGE, False, False),
        ("cuda:0", LARGE, None, False),
    ],
)
def test_frozen_convolutions_of_large_networks_are_arranged_once_on_a_cpu(
    device: str, frozen: int, wanted: bool | None, expected: bool
) -> None:
    chosen = replace(HARDWARE, packed_convolutions=wanted)
    assert packs_convolutions(chosen, device, frozen, REPAYING) is expected


def test_a_short_run_arranges_nothing() -> None:
    assert packs_convolutions(HARDWARE, "cpu", LARGE, REPAYING)
    assert not packs_convolutions(HARDWARE, "cpu", LARGE, REPAYING - 1)
    assert packs_convolutions(replace(HARDWARE, packed_convolutions=True), "cpu", LARGE, 1)


@pytest.mark.parametrize(
    "device, encoders, visits, expected",
    [
        ("cpu", LARGE, 2.0, True),
        ("cpu", LARGE, 1.9, False),
        ("cpu", LARGE - 1, 9.0, False),
        ("cuda:0", LARGE, 9.0, False),
    ],
)
def test_captions_that_come_again_are_encoded_once_on_a_cpu(
    device: str, encoders: int, visits: float, expected: bool
) -> None:
    assert keeps_prompts(device, encoders, visits) is expected


@pytest.mark.parametrize(
    "device, trained, expected",
    [("cpu", LARGE, True), ("cpu", LARGE - 1, False), ("cuda:0", LARGE, False)],
)
def test_files_leave_memory_while_much_trains_on_a_cpu(
    device: str, trained: int, expected: bool
) -> None:
    assert rests_files(device, trained) is expected


def test_what_cannot_be_arranged_once_is_refused() -> None:
    wanted = replace(HARDWARE, packed_convolutions=True)
    make_accelerator(wanted)
    with pytest.raises(ConfigError, match="hardware.packed_convolutions=true: allowed on a CPU"):
        make_accelerator(replace(wanted, compile=True))


@pytest.mark.parametrize("takes_bf16", [True, False])
def test_bf16_is_arranged_only_where_the_kernels_take_it(
    takes_bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU without AVX-512 such a run would end at its first step."""
    monkeypatch.setattr(
        "sdexp.engine.hardware.can_pack", lambda dtype: dtype == torch.float32 or takes_bf16
    )
    half = replace(HARDWARE, mixed_precision=Precision.bf16)
    assert packs_convolutions(HARDWARE, "cpu", LARGE, REPAYING)
    assert packs_convolutions(half, "cpu", LARGE, REPAYING) is takes_bf16


def test_arranging_in_bf16_is_refused_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdexp.engine.hardware.can_pack", lambda dtype: dtype == torch.float32)
    half = replace(HARDWARE, mixed_precision=Precision.bf16, packed_convolutions=True)
    with pytest.raises(ConfigError, match="in bf16 also with AVX-512"):
        make_accelerator(half)

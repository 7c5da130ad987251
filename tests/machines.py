"""Settings of hardware, as tests need them."""

from sdexp.ground.config import Device, HardwareConfig, Precision


def hardware(device: Device = Device.auto, processes: int = 1) -> HardwareConfig:
    """Everything but device and processes as in `conf/hardware/auto.yaml`."""
    return HardwareConfig(
        device=device,
        num_processes=processes,
        timeout=600,
        mixed_precision=Precision.no,
        frozen_dtype=Precision.no,
        gradient_checkpointing=False,
        channels_last=None,
        packed_convolutions=None,
        compile=False,
        optimizer_in_backward=False,
        dataloader_num_workers=0,
    )

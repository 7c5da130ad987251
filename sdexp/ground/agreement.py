"""What two sections of a configuration must agree on."""

from sdexp.ground.config import HardwareConfig, Precision, TrainingConfig
from sdexp.ground.errors import ConfigError

IN_BACKWARD = "hardware.optimizer_in_backward=true"


def check_in_backward(training: TrainingConfig, hardware: HardwareConfig) -> None:
    """Raise `ConfigError` for what needs all gradients at once, which that mode never has."""
    if not hardware.optimizer_in_backward:
        return
    allowed = {
        "training.max_grad_norm": (training.max_grad_norm, None),
        "training.gradient_accumulation_steps": (training.gradient_accumulation_steps, 1),
        "hardware.num_processes": (hardware.num_processes, 1),
    }
    for key, (value, only) in allowed.items():
        if value != only:
            raise ConfigError(
                f"{key}={value}: allowed with {IN_BACKWARD} is {'null' if only is None else only}"
            )
    if hardware.mixed_precision == Precision.fp16:
        raise ConfigError(
            f"hardware.mixed_precision=fp16: allowed with {IN_BACKWARD} is no or bf16"
        )

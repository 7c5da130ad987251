"""Samplers by name, made anew for each batch, so that no state is left over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sdexp.ground.errors import ConfigError

# Some samplers put so much in place of 0, to divide by it.
NEARLY_NOISE = 1e-6


def new_sampler(name: str, settings: Any) -> Any:
    """A sampler that adds noise as the checkpoint's scheduler, whose settings it takes, says.

    Raises `ConfigError` for one that cannot begin from noise alone where the scheduler does.
    """
    from diffusers import (
        DDIMScheduler,
        DDPMScheduler,
        DPMSolverMultistepScheduler,
        EulerAncestralDiscreteScheduler,
        EulerDiscreteScheduler,
        PNDMScheduler,
    )

    kinds: dict[str, Callable[[Any], Any]] = {
        "ddim": DDIMScheduler.from_config,
        "ddpm": DDPMScheduler.from_config,
        "dpm_solver": DPMSolverMultistepScheduler.from_config,
        "euler": EulerDiscreteScheduler.from_config,
        "euler_a": EulerAncestralDiscreteScheduler.from_config,
        # As all published checkpoints have it: Runge-Kutta steps would ask for many more.
        "pndm": partial(PNDMScheduler.from_config, skip_prk_steps=True),
    }
    sampler = kinds[name](settings)
    is_noise_alone = "rescale_betas_zero_snr" in settings and settings["rescale_betas_zero_snr"]
    if is_noise_alone and float(sampler.alphas_cumprod[-1]) > NEARLY_NOISE:
        raise ConfigError(
            f"evaluation.sampler={name}: cannot begin from noise alone, as the checkpoint does "
            "(rescale_betas_zero_snr); choose ddim, ddpm, dpm_solver, euler or euler_a"
        )
    return sampler

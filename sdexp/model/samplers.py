"""Samplers by name, made anew for each batch, so that no state is left over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


def new_sampler(name: str, settings: Any) -> Any:
    """A sampler that adds noise as the checkpoint's scheduler, whose settings it takes, says."""
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
    return kinds[name](settings)

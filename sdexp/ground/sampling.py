"""How pictures are made."""

from dataclasses import dataclass
from enum import StrEnum


class Sampler(StrEnum):
    """How pictures come from noise; ddpm and euler_a add noise on the way."""

    ddim = "ddim"
    ddpm = "ddpm"
    dpm_solver = "dpm_solver"
    euler = "euler"
    euler_a = "euler_a"
    pndm = "pndm"


@dataclass(frozen=True)
class Sampling:
    """How pictures are made; the same for every model that is compared.

    `resolution` is the side of the square picture in pixels.
    """

    sampler: str
    num_inference_steps: int
    guidance_scale: float
    negative_prompt: str
    resolution: int

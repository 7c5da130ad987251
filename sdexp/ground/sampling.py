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


# The key of the noise that a seed gives by itself; an evaluation's is the prompt and the replicate.
OWN_NOISE = ("generate", 0)


@dataclass(frozen=True)
class Sampling:
    """How pictures are made; the same for every model that is compared.

    `height` and `width` of a picture are pixels.
    """

    sampler: str
    num_inference_steps: int
    guidance_scale: float
    negative_prompt: str
    height: int
    width: int

    @property
    def size(self) -> str:
        """As people write it, the width first."""
        return f"{self.width}x{self.height}"

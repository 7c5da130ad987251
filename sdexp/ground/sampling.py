"""How pictures are made."""

from dataclasses import dataclass


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

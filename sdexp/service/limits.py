"""What a request may ask for at most."""

from dataclasses import dataclass

from sdexp.launch.app_settings import AppSettings

MIN_SIDE = 64
SIDE_STEP = 8
MAX_LORA_SCALE = 4.0
MAX_GRID_SIZE = 8
# JavaScript knows whole numbers up to here.
MAX_SEED = 2**53 - 1
# Of a picture, in float32: the decoder of Stable Diffusion 1 took 4,300 of 512 x 512 pixels and
# 6,400 of 256 x 256; the rest is for what else is in the air.
BYTES_PER_PIXEL = 10_000
# Where memory is not known yet.
USUAL_SIDE = 512
LARGEST_SIDE = 2048


@dataclass(frozen=True)
class Limits:
    """As the page is told them; sides in pixels."""

    max_prompt_chars: int
    max_inference_steps: int
    max_guidance_scale: float
    max_images: int
    max_models: int
    max_side: int
    min_side: int = MIN_SIDE
    side_step: int = SIDE_STEP
    max_lora_scale: float = MAX_LORA_SCALE
    max_grid_size: int = MAX_GRID_SIZE

    @classmethod
    def of(cls, settings: AppSettings, free_bytes: int | None) -> "Limits":
        """free_bytes: memory for what a picture needs, None while it is not known."""
        return cls(
            max_prompt_chars=settings.max_prompt_chars,
            max_inference_steps=settings.max_inference_steps,
            max_guidance_scale=settings.max_guidance_scale,
            max_images=settings.max_images,
            max_models=settings.max_models,
            max_side=settings.max_side or side_for(free_bytes),
        )


def side_for(free_bytes: int | None) -> int:
    """The side of the largest square that memory allows, a multiple of 8."""
    if free_bytes is None:
        return USUAL_SIDE
    side = int((free_bytes / BYTES_PER_PIXEL) ** 0.5) // SIDE_STEP * SIDE_STEP
    return max(MIN_SIDE, min(side, LARGEST_SIDE))

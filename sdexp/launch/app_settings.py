"""What `sdexp.app` is configured by: where it listens, and the limits that it keeps."""

from dataclasses import dataclass

from omegaconf import MISSING

from sdexp.ground.checks import above, at_least, between, require
from sdexp.ground.config import MOST_SAMPLING_STEPS, Device

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class AppSettings:
    """Root of `app.yaml`.

    Times are in seconds; max_side: pixels, None for as many as memory allows; allowed_hosts: names
    beside this machine's own that the service may be called by.
    """

    runs: str = MISSING
    host: str = MISSING
    port: int = MISSING
    allowed_hosts: list[str] = MISSING
    device: Device = MISSING
    memory_gb: float | None = MISSING
    safety_checker: str | None = MISSING
    max_queue: int = MISSING
    job_timeout: float = MISSING
    client_timeout: float = MISSING
    max_prompt_chars: int = MISSING
    max_inference_steps: int = MISSING
    max_guidance_scale: float = MISSING
    max_images: int = MISSING
    max_models: int = MISSING
    max_side: int | None = MISSING
    max_body_kb: int = MISSING

    def __post_init__(self) -> None:
        between("app", 1, 65535, port=self.port)
        between("app", 1, MOST_SAMPLING_STEPS, max_inference_steps=self.max_inference_steps)
        at_least(
            "app",
            1,
            max_queue=self.max_queue,
            max_prompt_chars=self.max_prompt_chars,
            max_images=self.max_images,
            max_models=self.max_models,
            max_body_kb=self.max_body_kb,
        )
        above("app", 0, memory_gb=self.memory_gb, job_timeout=self.job_timeout)
        above("app", 0, client_timeout=self.client_timeout)
        at_least("app", 0, max_guidance_scale=self.max_guidance_scale)
        side = self.max_side
        fits = side is None or (side >= 64 and side % 8 == 0)
        require("app", fits, "max_side", side, "null or a multiple of 8, 64 or more")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK

"""The published safety checker of Stable Diffusion, which is off unless a person turns it on."""

from typing import Any

import numpy as np

from sdexp.ground.applied import check_loading
from sdexp.ground.errors import DataError

KEY = "safety_checker"


class SafetyChecker:
    """Looks at pictures one at a time; raises `DataError` where it cannot be loaded whole.

    name: a folder or Hub id with safetensors, such as CompVis/stable-diffusion-safety-checker.
    """

    def __init__(self, name: str, device: str) -> None:
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
        from safetensors import SafetensorError
        from transformers import CLIPImageProcessor

        from_pretrained: Any = StableDiffusionSafetyChecker.from_pretrained
        try:
            checker, info = from_pretrained(name, use_safetensors=True, output_loading_info=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise DataError(
                f"{KEY}={name}: cannot be loaded ({str(error).splitlines()[0]}); name a folder or "
                "Hub id with safetensors, or set it to null"
            ) from error
        check_loading(f"{KEY}={name}", info)
        self._checker = checker.to(device).eval()
        self._device = device
        side = checker.config.vision_config.image_size
        # Otherwise CLIP's own settings, which the published checker has too.
        self._prepare = CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )

    def __call__(self, picture: np.ndarray) -> bool:
        """Whether a picture uint8 [H, W, 3] is not to be shown."""
        import torch

        seen = self._prepare(images=[picture], return_tensors="pt").pixel_values.to(self._device)
        with torch.no_grad():
            _, found = self._checker(clip_input=seen, images=picture[None].copy())
        return bool(found[0])

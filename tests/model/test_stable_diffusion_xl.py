"""The networks of Stable Diffusion XL, saved and opened by plain libraries."""

from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline

from sdexp.finetune.base import write_component
from sdexp.model.stable_diffusion_xl import StableDiffusionXL
from tests.checkpoints import of


def test_every_network_is_saved_as_plain_diffusers_reads_it(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    model = of(folders, "sdxl").load("cpu")
    with torch.no_grad():
        for module in model.modules().values():
            for parameter in module.parameters():
                parameter.add_(1e-2)
    for name, component in model.components().items():
        assert name in (*StableDiffusionXL.trainable, "vae")
        write_component(component, tmp_path)
    plain = StableDiffusionXLPipeline.from_pretrained(folders["sdxl"])
    for name, module in model.modules().items():
        opened, info = type(module).from_pretrained(
            tmp_path, subfolder=name, output_loading_info=True
        )
        assert not info["missing_keys"] and not info["unexpected_keys"]
        assert isinstance(opened, type(getattr(plain, name)))
        for key, tensor in opened.state_dict().items():
            assert torch.equal(tensor, module.state_dict()[key]), f"{name}.{key}"

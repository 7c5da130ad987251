"""Every layout that is written, read by the tool that it is for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file

from sdexp.finetune.adapters import restore_adapters
from sdexp.finetune.formats import adapted, write_diffusers, write_kohya, write_peft
from sdexp.finetune.lora import Lora
from sdexp.ground.errors import ConfigError
from sdexp.ground.sampling import Sampling
from sdexp.model.base import LoadedModel
from sdexp.model.samplers import new_sampler
from tests.checkpoints import draws, of
from tests.finetune.pocket import lora

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "q_proj", "v_proj"]
STRATEGIES = {
    "plain": lora(["unet", "text_encoder"], target_modules=TARGETS, rank=4, lora_alpha=16.0),
    "mixed": lora(
        ["unet", "text_encoder"],
        target_modules=TARGETS,
        rank_pattern={"to_k": 3},
        alpha_pattern={"to_q": 7.0},
        use_rslora=True,
    ),
}
SAMPLING = Sampling("ddim", 2, 3.0, "", 64, 64)


def trained(folders: dict[str, Path], family: str, strategy: Lora) -> LoadedModel:
    model = of(folders, family).load("cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in strategy.attach(model).values():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    for module in model.modules().values():
        module.eval()
    return model


def picture(model: LoadedModel) -> np.ndarray:
    made = model.generate(["a photo of a cat"], draws(model.latent_shape(64, 64), 1), SAMPLING)
    return made.astype(int)


def plain_pipeline(folders: dict[str, Path], family: str) -> Any:
    kind: Any = StableDiffusionXLPipeline if "xl" in family else StableDiffusionPipeline
    pipeline = kind.from_pretrained(folders[family], safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = new_sampler("ddim", pipeline.scheduler.config)
    return pipeline


def plain_picture(pipeline: Any) -> np.ndarray:
    made: np.ndarray = pipeline(
        "a photo of a cat", latents=draws((4, 8, 8), 1).latents, num_inference_steps=2,
        guidance_scale=3.0, height=64, width=64, output_type="np",
    ).images  # fmt: skip
    return 255 * made


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_diffusers_reads_its_file(
    name: str, family: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = trained(folders, family, STRATEGIES[name])
    assert adapted(model) == ["unet", "text_encoder"]
    write_diffusers(model, tmp_path)
    pipeline = plain_pipeline(folders, family)
    start = plain_picture(pipeline)
    pipeline.load_lora_weights(tmp_path)
    found = plain_picture(pipeline)
    assert abs(found - picture(model)).max() < 0.51 and abs(found - start).max() > 5


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_peft_reads_its_folders(
    name: str, family: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = trained(folders, family, STRATEGIES[name])
    write_peft(model, tmp_path, "owner/base")
    pipeline = plain_pipeline(folders, family)
    for component in adapted(model):
        network = getattr(pipeline, component)
        wrapped = PeftModel.from_pretrained(network, tmp_path / component)
        # With its adapters beside the weights: merging would round.
        setattr(pipeline, component, wrapped.base_model.model)
        settings = json.loads((tmp_path / component / "adapter_config.json").read_text())
        assert settings["base_model_name_or_path"] == "owner/base"
    assert abs(plain_picture(pipeline) - picture(model)).max() < 0.51


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_kohyas_file_says_what_the_adapters_do(
    name: str, family: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """delta = B A alpha / rank of each layer, as readers of the layout compute it."""
    model = trained(folders, family, STRATEGIES[name])
    write_kohya(model, tmp_path, {"sdexp.run": "r"})
    file = tmp_path / "lora.safetensors"
    tensors = load_file(file)
    compared = 0
    for component, flat in (("unet", "lora_unet_"), ("text_encoder", "lora_te")):
        for layer, module in model.modules()[component].named_modules():
            if not hasattr(module, "get_delta_weight"):
                continue
            text = "" if component == "unet" else f"{'1' if family == 'sdxl' else ''}_text_model_"
            base = f"{flat}{text}{layer.replace('.', '_')}"
            up, down = tensors[f"{base}.lora_up.weight"], tensors[f"{base}.lora_down.weight"]
            delta = up.flatten(1) @ down.flatten(1) * tensors[f"{base}.alpha"] / len(down)
            expected = module.get_delta_weight("default").detach()
            torch.testing.assert_close(delta.view(expected.shape), expected, rtol=1e-4, atol=1e-5)
            compared += 1
    assert 3 * compared == len(tensors)
    with safe_open(file, "pt") as opened:
        header = opened.metadata()
    assert header["ss_network_dim"] == ("4" if name == "plain" else "3")
    assert header["sdexp.run"] == "r"
    fresh = of(folders, family).load("cpu")
    restore_adapters(fresh, file, None).applied.check("kohya")
    assert abs(picture(fresh) - picture(model)).max() <= 1


def test_kohyas_layout_has_no_place_for_dora(folders: dict[str, Path], tmp_path: Path) -> None:
    model = trained(folders, "sd1", lora(["unet"], use_dora=True))
    with pytest.raises(ConfigError, match="format=kohya: has no place for DoRA"):
        write_kohya(model, tmp_path, {})
    assert not list(tmp_path.iterdir())

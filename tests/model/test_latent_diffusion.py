"""Pictures of every family and sampler, against plain diffusers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from sdexp.ground.errors import DivergedError
from sdexp.ground.sampling import Sampling
from sdexp.model.samplers import new_sampler
from sdexp.model.stable_diffusion import StableDiffusion
from sdexp.model.stable_diffusion_xl import StableDiffusionXL
from tests.checkpoints import KINDS, draws, of
from tests.finetune.pocket import lora

PROMPTS = ["a photo of a cat", "two dogs, playing!! in the snow"]
SAMPLERS = ["ddim", "ddpm", "dpm_solver", "euler", "euler_a", "pndm"]
SHAPE = (4, 8, 8)
PIPELINES = {StableDiffusion: StableDiffusionPipeline, StableDiffusionXL: StableDiffusionXLPipeline}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("family", KINDS)
def test_pictures_are_those_of_the_plain_pipeline(
    folders: dict[str, Path], family: str, sampler: str
) -> None:
    guidance = 0.0 if "turbo" in family else 4.0
    model = of(folders, family).load("cpu")
    made = model.generate(PROMPTS, draws(SHAPE, 2), Sampling(sampler, 3, guidance, "", 64, 64))
    plain = PIPELINES[KINDS[family]].from_pretrained(folders[family], safety_checker=None)
    plain.set_progress_bar_config(disable=True)
    plain.scheduler = new_sampler(sampler, plain.scheduler.config)
    chance = draws(SHAPE, 2)
    expected = plain(
        PROMPTS,
        latents=chance.latents,
        generator=chance.generators,
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=guidance,
        output_type="np",
    ).images
    np.testing.assert_allclose(made / 255, expected, atol=0.5 / 255 + 1e-4)
    assert made.std() > 5, "the pictures are not blank"


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_picture_depends_on_its_own_chance_alone(
    folders: dict[str, Path], family: str, sampler: str
) -> None:
    model = of(folders, family).load("cpu")
    sampling = Sampling(sampler, 3, 3.0, "a dog", 64, 64)
    together = model.generate(PROMPTS, draws(SHAPE, 2), sampling).astype(int)
    alone = model.generate(PROMPTS[1:], draws(SHAPE, 1, first=1), sampling).astype(int)
    assert abs(together[1] - alone[0]).max() <= 1


def test_a_picture_that_is_no_number_is_an_error(folders: dict[str, Path]) -> None:
    model = of(folders, "sd1").load("cpu")
    unet = model.modules()["unet"]
    with torch.no_grad():
        unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(DivergedError, match="no finite numbers"):
        model.generate(["a dog"], draws(SHAPE, 1), Sampling("ddim", 1, 3.0, "", 64, 64))


def test_what_does_not_train_is_kept_in_half_where_it_fits(folders: dict[str, Path]) -> None:
    model = of(folders, "sdxl").load("cpu")
    before = model.encoder_sha256()
    trained = lora(["unet"]).attach(model)
    model.freeze_in(torch.float16)
    modules = model.modules()
    assert {p.dtype for p in modules["vae"].parameters()} == {torch.float32}, "it would overflow"
    assert {p.dtype for p in modules["text_encoder_2"].parameters()} == {torch.float16}
    assert {p.dtype for p in trained.values()} == {torch.float32}
    frozen = [p for p in modules["unet"].parameters() if not p.requires_grad]
    assert {p.dtype for p in frozen} == {torch.float16}
    assert model.encoder_sha256() == before
    model.freeze_in(torch.bfloat16)
    assert {p.dtype for p in modules["vae"].parameters()} == {torch.bfloat16}
    assert model.encoder_sha256() != before, "moments of another type have another key"

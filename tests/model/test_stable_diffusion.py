import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from sdexp.ground.assets import ASSETS, located
from sdexp.ground.errors import DataError
from sdexp.ground.sampling import Sampling
from sdexp.model.base import Draws, Framing, Moments
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from tests.checkpoints import draws, of, recipe

SAMPLING = Sampling("ddim", 3, 3.0, "", 64, 64)
PROMPTS = ["a big red heart", "a small blue star above a big pink circle", "stripes", ""]


@pytest.fixture(scope="module")
def model() -> LoadedLatentDiffusion:
    loaded = recipe().load("cpu")
    assert isinstance(loaded, LoadedLatentDiffusion)
    return loaded


def noise(count: int, first: int = 0) -> Draws:
    return draws((8, 8, 8), count, first)


def test_half_precision_files_load_as_float32(model: LoadedLatentDiffusion) -> None:
    for module in model.modules().values():
        assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_plain_diffusers_opens_and_samples_the_embedded_model() -> None:
    code = (
        "import sys; from diffusers import StableDiffusionPipeline as P;"
        "p = P.from_pretrained(sys.argv[1]);"
        "print(p('a red heart', num_inference_steps=2).images[0].size);"
        "assert 'sdexp' not in sys.modules"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(ASSETS / "pocket-sd")], capture_output=True, text=True
    )
    assert "(64, 64)" in answer.stdout, answer.stderr


def test_a_picture_does_not_depend_on_its_batch(model: LoadedLatentDiffusion) -> None:
    together = model.generate(PROMPTS, noise(4), SAMPLING).astype(int)
    alone = np.concatenate(
        [model.generate([p], noise(1, k), SAMPLING) for k, p in enumerate(PROMPTS)]
    )
    assert abs(together - alone).max() <= 1


def test_generation_equals_the_plain_pipeline(model: LoadedLatentDiffusion) -> None:
    plain = StableDiffusionPipeline.from_pretrained(located("pocket-sd"), safety_checker=None)
    plain.set_progress_bar_config(disable=True)
    expected = plain(
        PROMPTS[:2],
        latents=noise(2).latents,
        num_inference_steps=3,
        guidance_scale=3.0,
        output_type="np",
    ).images
    made = model.generate(PROMPTS[:2], noise(2), SAMPLING)
    assert (made == (expected * 255).round().astype(np.uint8)).all()


@pytest.mark.parametrize("sampler", ["ddim", "dpm_solver"])
def test_samplers_keep_no_state(model: LoadedLatentDiffusion, sampler: str) -> None:
    sampling = Sampling(sampler, 4, 2.0, "", 64, 64)
    first = model.generate(PROMPTS[:1], noise(1), sampling)
    model.generate(PROMPTS[:1], noise(1), SAMPLING)
    assert (model.generate(PROMPTS[:1], noise(1), sampling) == first).all()


def test_guidance_and_negative_prompt_count(model: LoadedLatentDiffusion) -> None:
    base = model.generate(PROMPTS[:1], noise(1), SAMPLING)
    for other in (
        Sampling("ddim", 3, 1.0, "", 64, 64),
        Sampling("ddim", 3, 3.0, "a blue star", 64, 64),
    ):
        assert (model.generate(PROMPTS[:1], noise(1), other) != base).any()


def test_latents_are_scaled_draws_of_the_posterior(model: LoadedLatentDiffusion) -> None:
    moments = Moments(torch.full((1, 8, 8, 8), 2.0), torch.full((1, 8, 8, 8), np.log(9.0)))
    factor = model.vae.config.scaling_factor
    drawn = model.latents(moments, torch.ones(1, 8, 8, 8))
    torch.testing.assert_close(drawn, torch.full((1, 8, 8, 8), 5.0 * factor))


def test_scaled_latents_have_unit_spread(model: LoadedLatentDiffusion) -> None:
    from sdexp.dataset.pocket import Pocket
    from sdexp.engine.images import to_signed, to_tensor

    data = Pocket("plain", 16, 1, 1).open("train")
    pixels = torch.stack([to_signed(to_tensor(data[i].image)) for i in range(16)])
    latents = model.latents(model.encode_images(pixels), noise(16).latents)
    assert 0.7 < float(latents.std()) < 1.4


def test_long_and_foreign_prompts_are_cut_not_refused(model: LoadedLatentDiffusion) -> None:
    prompts = ["a " * 500, "漢字 und Ümläute \U0001f600", ""]
    states = model.encode_prompts(prompts, [Framing((9, 9), (0, 0), (64, 64))] * 3).states
    assert states.shape == (3, model.text.tokenizers["tokenizer"].model_max_length, 96)
    assert states.isfinite().all()


def test_fingerprints_name_every_part_and_see_one_changed_number() -> None:
    before, changed = recipe().load("cpu"), recipe().load("cpu")
    with torch.no_grad():
        next(iter(changed.modules()["vae"].parameters())).view(-1)[0] += 1e-3
    a, b = before.fingerprints(), changed.fingerprints()
    assert set(a) == {"unet", "text_encoder", "vae", "tokenizer", "scheduler"}
    assert [name for name in a if a[name] != b[name]] == ["vae"]


def test_missing_weights_are_told_before_loading(tmp_path: Path) -> None:
    recipe().check()
    cases = {
        str(tmp_path / "absent"): "no such folder",
        str(tmp_path): "has no model_index.json",
        "owner/model-that-is-not-here": "not in .*; fetch it",
        "justaname": "no such folder",
    }
    for name, reason in cases.items():
        with pytest.raises(DataError, match=reason):
            recipe(name).check()
    with pytest.raises(ValueError, match="is empty"):
        recipe(" ")


def test_memory_settings_reach_the_networks() -> None:
    model = recipe().load("cpu")
    model.set_memory(gradient_checkpointing=True, channels_last=True)
    modules = model.modules()
    assert modules["unet"].is_gradient_checkpointing
    assert modules["text_encoder"].is_gradient_checkpointing
    assert modules["unet"].conv_in.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_checkpoint_may_begin_from_noise_alone(folders: dict[str, Path]) -> None:
    v = replace(of(folders, "sd2"), rescale_betas_zero_snr=True)
    model = v.load("cpu")
    assert model.schedule.snr(torch.tensor([999])).item() == 0
    assert (
        model.fingerprints()["scheduler"]
        != of(folders, "sd2").load("cpu").fingerprints()["scheduler"]
    )
    made = model.generate(PROMPTS[:1], draws((4, 8, 8), 1), Sampling("ddim", 3, 3.0, "", 64, 64))
    assert made.std() > 5
    with pytest.raises(DataError, match="sd1: epsilon prediction with rescale_betas_zero_snr"):
        replace(of(folders, "sd1"), rescale_betas_zero_snr=True).load("cpu")

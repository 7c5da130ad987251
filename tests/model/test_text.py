"""Text sides against plain diffusers."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from sdexp.model.base import Framing
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from tests.checkpoints import of

PROMPTS = ["a photo of a cat", "two dogs, playing!! in the snow"]


def test_two_encoders_give_the_condition_of_the_plain_pipeline(folders: dict[str, Path]) -> None:
    model = of(folders, "sdxl").load("cpu")
    framings = [Framing((100, 50), (3, 4), (64, 64)), Framing((64, 65), (0, 0), (64, 64))]
    found = model.encode_prompts(PROMPTS, framings)
    plain = StableDiffusionXLPipeline.from_pretrained(folders["sdxl"])
    states, _, pooled, _ = plain.encode_prompt(PROMPTS, do_classifier_free_guidance=False)
    torch.testing.assert_close(found.states, states)
    torch.testing.assert_close(found.pooled, pooled)
    assert found.sizes is not None
    assert found.sizes.tolist() == [[100, 50, 3, 4, 64, 64], [64, 65, 0, 0, 64, 64]]


@pytest.mark.parametrize("negative", ["", "a blurred dog"])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_pipeline_gets_what_it_would_have_read_itself(
    folders: dict[str, Path], family: str, negative: str
) -> None:
    model = of(folders, family).load("cpu")
    assert isinstance(model, LoadedLatentDiffusion)
    found = model.text.inputs(PROMPTS, negative)
    expected = model.pipeline.encode_prompt(
        PROMPTS,
        device="cpu",
        num_images_per_prompt=1,
        do_classifier_free_guidance=True,
        negative_prompt=[negative] * 2 if negative else None,
    )
    for (name, tensor), other in zip(found.items(), expected, strict=True):
        torch.testing.assert_close(tensor, other, msg=lambda told, name=name: f"{name}: {told}")


def test_the_negative_prompt_is_read_once(folders: dict[str, Path]) -> None:
    model = of(folders, "sd1").load("cpu")
    assert isinstance(model, LoadedLatentDiffusion)
    rows: list[int] = []
    encoder = model.text.encoders["text_encoder"]
    encoder.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    model.text.inputs(["a cat"] * 5, "")
    assert rows == [5, 1]


def test_what_is_named_unread_has_no_part_in_the_condition(folders: dict[str, Path]) -> None:
    model = of(folders, "sdxl").load("cpu")
    for name, component in model.components().items():
        if not name.startswith("text"):
            continue
        framing = Framing((64, 64), (0, 0), (64, 64))
        condition = model.encode_prompts(PROMPTS, [framing] * 2)
        assert condition.pooled is not None
        (condition.states.sum() + condition.pooled.sum()).backward()
        without = {n for n, p in component.module.named_parameters() if p.grad is None}
        assert without == {
            n for n, _ in component.module.named_parameters() if n.startswith(component.unread)
        }, name

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline

from sdexp.engine.generate.variants import as_variant
from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Variant
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.model.base import Framing, LoadedModel
from sdexp.recipes import Recipes
from tests.engine.generate.trained import trained

Run = tuple[RunFolder, Recipes, LoadedModel]


@pytest.fixture
def run(new_run: Any, recipes: Any, store: Store, tiny: str) -> Run:
    folder, made = trained(new_run, recipes, store, tiny)
    return folder, made, made.model.load("cpu")


def said(model: LoadedModel) -> torch.Tensor:
    """What the network says of fixed noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(
        (1, *model.latent_shape(model.sample_size, model.sample_size)), generator=generator
    )
    side = model.sample_size
    condition = model.encode_prompts(["a"], [Framing((side, side), (0, 0), (side, side))])
    with torch.no_grad():
        return model.predict(noise, torch.tensor([400]), condition)


def test_strengths_are_those_of_plain_diffusers(run: Run, tiny: str) -> None:
    folder, recipes, model = run
    before = said(model)
    pipe = StableDiffusionPipeline.from_pretrained(tiny.partition("=")[2], safety_checker=None)
    pipe.load_lora_weights(folder.weights, adapter_name="mine")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(
        (1, *model.latent_shape(model.sample_size, model.sample_size)), generator=generator
    )
    for strength in (0.25, 1.0, 1.5):
        pipe.set_adapters("mine", strength)
        tokens = pipe.tokenizer(
            ["a"], padding="max_length", max_length=pipe.tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        with torch.no_grad():
            states = pipe.text_encoder(tokens).last_hidden_state
            expected = pipe.unet(noise, torch.tensor([400]), states).sample
        with as_variant(folder, recipes, model, Variant("x", strength=strength)):
            torch.testing.assert_close(said(model), expected, rtol=1e-4, atol=1e-4)
            assert not torch.equal(expected, before)
        assert torch.equal(said(model), before)


def test_each_strength_has_its_own_fingerprint(run: Run) -> None:
    folder, recipes, model = run
    prints = []
    for variant in (ORIGINAL, FINETUNED, Variant("half", strength=0.5)):
        with as_variant(folder, recipes, model, variant):
            prints.append(str(model.fingerprints()))
    assert len(set(prints)) == 3
    assert str(model.fingerprints()) == prints[0]


def test_a_step_has_the_weights_of_its_folder(run: Run) -> None:
    folder, recipes, model = run
    folder.weights_at(2).parent.mkdir()
    folder.weights.rename(folder.weights_at(2))
    with as_variant(folder, recipes, model, Variant("step 2", 2)):
        earlier = said(model)
    assert not torch.equal(earlier, said(model))


def test_after_a_fault_the_model_is_the_original(run: Run, tmp_path: Path) -> None:
    folder, recipes, model = run
    before = said(model)
    with pytest.raises(ZeroDivisionError), as_variant(folder, recipes, model, FINETUNED):
        raise ZeroDivisionError
    assert torch.equal(said(model), before)

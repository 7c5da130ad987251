"""Adapters worked into weights, against formulas and against the adapters themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from sdexp.finetune.merging import merge, merged
from sdexp.finetune.peft import Peft
from sdexp.ground.sampling import Sampling
from sdexp.model.base import LoadedModel
from tests.checkpoints import draws, of
from tests.finetune.pocket import TARGETS as ATTENTION
from tests.finetune.pocket import lora, original

TARGETS = ["to_q", "to_v"]
PROMPTS = ["a big red heart", "two dogs"]


def pictures(model: LoadedModel) -> np.ndarray:
    made = model.generate(PROMPTS, draws((4, 8, 8), 2), Sampling("ddim", 3, 3.0, "", 64, 64))
    return made.astype(int)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("use_dora", [False, True])
def test_pictures_of_merged_adapters_differ_by_rounding(
    folders: dict[str, Path], family: str, use_dora: bool
) -> None:
    model = of(folders, family).load("cpu")
    plain = pictures(model)
    names = {key: module.state_dict().keys() for key, module in model.modules().items()}
    finetune = lora(["unet", "text_encoder"], use_dora=use_dora, target_modules=ATTENTION)
    torch.manual_seed(0)
    trained = finetune.attach(model)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.weights_changed()
    beside = pictures(model)
    before = model.fingerprints()
    merge(model)
    assert abs(beside - plain).max() > 20, "the adapters act"
    assert abs(pictures(model) - beside).max() <= 1
    for key, module in model.modules().items():
        assert not any(isinstance(part, BaseTunerLayer) for part in module.modules())
        assert module.state_dict().keys() == names[key]
    changed = {key for key, print_ in model.fingerprints().items() if print_ != before[key]}
    assert changed == {"unet", "text_encoder"}


def test_merged_weights_are_base_and_delta() -> None:
    model = original()
    before = {k: t.clone() for k, t in model.modules()["unet"].state_dict().items()}
    trained = Peft(["unet"], "LOHA", {"r": 2, "alpha": 4, "target_modules": TARGETS}).attach(model)
    unet = model.modules()["unet"]
    assert merged(unet)[1] is False
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    found, does_something = merged(unet)
    assert does_something
    assert found.keys() == before.keys()
    parts = {name.removeprefix("unet."): p.detach() for name, p in trained.items()}
    compared = 0
    for key, tensor in found.items():
        layer = key.removesuffix(".weight")
        expected = before[key]
        if f"{layer}.hada_w1_a.default" in parts:
            w = {n: parts[f"{layer}.hada_{n}.default"] for n in ("w1_a", "w1_b", "w2_a", "w2_b")}
            expected = expected + 2 * (w["w1_a"] @ w["w1_b"]) * (w["w2_a"] @ w["w2_b"])
            compared += 1
        torch.testing.assert_close(tensor, expected, rtol=1e-4, atol=1e-4)
    assert compared == len(trained) / 4
    # The training goes on from where it was.
    assert "down_blocks" in next(iter(trained)) and unet.state_dict().keys() != before.keys()

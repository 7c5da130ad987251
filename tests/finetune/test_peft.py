from typing import Any

import pytest
import torch

from sdexp.finetune.peft import Peft, merged
from sdexp.ground.errors import ConfigError
from tests.finetune.pocket import original

TARGETS = ["to_q", "to_v"]


@pytest.mark.parametrize(
    "peft_type, options, message",
    [
        ("LOHO", {}, "finetune.peft_type=LOHO: no method of PEFT; did you mean 'LOHA'?"),
        ("LOHA", {"rr": 1}, "finetune.options.rr: LoHaConfig has no option 'rr'"),
        ("LOHA", {"modules_to_save": ["conv_out"]}, "modules_to_save: layers that train whole"),
    ],
)
def test_what_peft_does_not_have_is_told(
    peft_type: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Peft(["unet"], peft_type, options).check()


def test_a_method_that_fits_no_layer_is_told_in_one_line() -> None:
    for peft_type, options in (
        ("PROMPT_TUNING", {"num_virtual_tokens": 4}),
        ("LOHA", {"target_modules": ["to_nowhere"]}),
    ):
        with pytest.raises(ConfigError, match="cannot be put into the unet") as caught:
            Peft(["unet"], peft_type, options).attach(original())
        assert "\n" not in str(caught.value)


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

from pathlib import Path

import pytest
import torch
from peft.tuners.lora import LoraLayer

from sdexp.finetune.lora import adapter_tensors
from sdexp.ground.errors import ConfigError
from sdexp.model.base import Framing
from tests.checkpoints import of
from tests.finetune.pocket import lora, original


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 0}, {"lora_alpha": float("nan")}, {"lora_dropout": 1.0}, {"components": []},
     {"components": ["unet", "unet"]}, {"target_modules": []}],
)  # fmt: skip
def test_lora_values_out_of_range_are_refused_by_name(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=f"finetune.{next(iter(wrong))}="):
        lora(**({"components": ["unet"]} | wrong))


@pytest.mark.parametrize(
    "components, targets, message",
    [
        (["unet"], ["to_q", "to_z"], "layer is called to_z"),
        (["unet"], ["to_q", "attn1"], "layer is called attn1"),
        (["unet"], ["to_out"], "layer is called to_out"),
        (["unet", "text_encoder"], ["to_q"], "no such layer in text_encoder"),
    ],
)
def test_a_target_that_no_layer_has_is_refused(
    components: list[str], targets: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        lora(components, target_modules=targets).attach(original())


@pytest.mark.filterwarnings("error")
def test_reading_the_adapters_asks_nobody_for_the_vocabulary() -> None:
    model = original()
    lora(["unet", "text_encoder"]).attach(model)
    assert len(adapter_tensors(model.modules()["text_encoder"])) > 0


@pytest.mark.parametrize("wrong", [{"rank_pattern": {"to_z": 2}}, {"alpha_pattern": {"to_z": 2.0}}])
def test_a_pattern_that_no_layer_has_is_refused(wrong: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ConfigError, match="no layer is called to_z"):
        lora(["unet"], **wrong).attach(original())
    with pytest.raises(ValueError, match="finetune.rank_pattern.to_q=0: allowed is 1 or more"):
        lora(["unet"], rank_pattern={"to_q": 0})


def test_a_layer_that_the_family_never_reads_gets_no_adapter(folders: dict[str, Path]) -> None:
    """Of three layers of the first text encoder the last; of the second one none."""
    model = of(folders, "sdxl").load("cpu")
    trained = lora(["text_encoder", "text_encoder_2"], target_modules=["q_proj"]).attach(model)
    layers = {name.partition(".self_attn")[0] for name in trained}
    assert layers == {
        *(f"text_encoder.encoder.layers.{k}" for k in range(2)),
        *(f"text_encoder_2.text_model.encoder.layers.{k}" for k in range(3)),
    }


def test_patterns_that_overlap_keep_their_meaning_in_the_file(tmp_path: Path) -> None:
    """The first that matches counts in a training; a file keeps no order."""
    strategy = lora(["unet"], alpha_pattern={"to_k": 2.0, "attn2.to_k": 16.0})
    model = original()
    for parameter in strategy.attach(model).values():
        parameter.data += 0.1
    scales = {
        name: module.scaling["default"]
        for name, module in model.modules()["unet"].named_modules()
        if hasattr(module, "scaling")
    }
    assert len(set(scales.values())) == 1
    strategy.save(model, tmp_path)
    fresh = original()
    strategy.restore(fresh, tmp_path).applied.check("weights")
    for name, scale in scales.items():
        assert fresh.modules()["unet"].get_submodule(name).scaling["default"] == scale


@pytest.mark.parametrize("use_dora", [False, True])
def test_inputs_that_are_not_copied_change_no_bit(use_dora: bool) -> None:
    """Against PEFT's own way, in the precision in which they differ."""
    results = []
    for casts in (False, True):
        model = original()
        torch.manual_seed(0)
        trained = lora(["unet"], use_dora=use_dora).attach(model)
        for name, parameter in trained.items():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
        for part in model.modules()["unet"].modules():
            if isinstance(part, LoraLayer):
                assert part.cast_input_dtype_enabled == use_dora
                part.cast_input_dtype_enabled = casts or use_dora
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn((2, *model.latent_shape(64, 64)), generator=generator)
        framings = [Framing((64, 64), (0, 0), (64, 64))] * 2
        with torch.autocast("cpu", torch.bfloat16):
            condition = model.encode_prompts(["a red heart", "a blue star"], framings)
            said = model.predict(noise, torch.tensor([300, 700]), condition)
        said.float().square().mean().backward()
        results.append([said.float(), *(parameter.grad for parameter in trained.values())])
    assert all(map(torch.equal, *results))

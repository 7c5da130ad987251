import pytest

from sdexp.finetune.lora import Lora, adapter_tensors
from sdexp.ground.errors import ConfigError
from tests.finetune.pocket import original


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 0}, {"lora_alpha": float("nan")}, {"lora_dropout": 1.0}, {"components": []},
     {"components": ["unet", "unet"]}, {"target_modules": []}],
)  # fmt: skip
def test_lora_values_out_of_range_are_refused_by_name(wrong) -> None:  # type: ignore[no-untyped-def]
    values = {"rank": 4, "lora_alpha": 4.0, "lora_dropout": 0.0, "components": ["unet"]}
    values |= {"target_modules": ["to_q"]}
    with pytest.raises(ValueError, match=f"finetune.{next(iter(wrong))}="):
        Lora(**(values | wrong))


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
        Lora(components, 2, 2.0, 0.0, targets).attach(original())


@pytest.mark.filterwarnings("error")
def test_reading_the_adapters_asks_nobody_for_the_vocabulary() -> None:
    model = original()
    Lora(["unet", "text_encoder"], 2, 2.0, 0.0, ["to_q", "q_proj"]).attach(model)
    assert len(adapter_tensors(model.modules()["text_encoder"])) > 0

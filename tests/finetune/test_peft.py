from typing import Any

import pytest

from sdexp.finetune.peft import Peft
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

from dataclasses import replace
from typing import Any

import pytest

from sdexp.ground.agreement import check_in_backward
from sdexp.ground.config import Precision
from sdexp.ground.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "change", "told"),
    [
        ("training", {"max_grad_norm": 1.0}, "training.max_grad_norm=1.0: allowed with .* is null"),
        ("training", {"gradient_accumulation_steps": 2}, "gradient_accumulation_steps=2: .* is 1"),
        ("hardware", {"num_processes": 2}, "hardware.num_processes=2: allowed with .* is 1"),
        ("hardware", {"mixed_precision": Precision.fp16}, "mixed_precision=fp16: .* no or bf16"),
    ],
)
def test_what_needs_all_gradients_at_once_is_refused(
    recipes: Any, section: str, change: dict[str, Any], told: str
) -> None:
    made = recipes("hardware.optimizer_in_backward=true", "training.max_grad_norm=null")
    check_in_backward(made.training, made.hardware)
    sections = {"training": made.training, "hardware": made.hardware}
    sections[section] = replace(sections[section], **change)
    with pytest.raises(ConfigError, match=told):
        check_in_backward(**sections)
    # Without the mode all of it is allowed.
    off = replace(sections["hardware"], optimizer_in_backward=False)
    check_in_backward(sections["training"], off)

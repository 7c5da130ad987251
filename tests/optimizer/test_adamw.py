import inspect
from dataclasses import asdict, fields
from typing import Any

import pytest
import torch

from sdexp.optimizer.adamw import AdamW
from tests.optimizer.stepping import WRONG, check_steps, parameter

ADAMW = AdamW(1e-2, [0.9, 0.99], 1e-7, 0.1, False, None)


def test_steps_are_those_of_torch() -> None:
    check_steps(ADAMW, lambda p: torch.optim.AdamW(p, 1e-2, (0.9, 0.99), 1e-7, 0.1, fused=True))


def test_fields_have_torchs_names() -> None:
    known = set(inspect.signature(torch.optim.AdamW).parameters)
    assert {field.name for field in fields(AdamW)} <= known


def test_null_fused_means_fused_where_it_is_possible() -> None:
    for fused, device, expected in (
        (None, "cpu", True),
        (None, "xla", False),
        (False, "cpu", False),
    ):
        made = AdamW(1e-2, [0.9, 0.99], 1e-7, 0.1, False, fused)
        built = made.build([{"params": [parameter()], "lr": 1e-2, "name": ""}], device)
        assert built.defaults["fused"] is expected


@pytest.mark.parametrize("wrong", WRONG)
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"optimizer.{next(iter(wrong))}="):
        AdamW(**(asdict(ADAMW) | wrong))

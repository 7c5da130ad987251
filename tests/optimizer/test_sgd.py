import inspect
from dataclasses import asdict, fields
from typing import Any

import pytest
import torch

from sdexp.optimizer.sgd import Sgd
from tests.optimizer.stepping import check_steps

SGD = Sgd(0.1, 0.9, 0.01, False)


def test_steps_are_those_of_torch() -> None:
    check_steps(SGD, lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01))


def test_without_momentum_a_step_is_the_rate_times_the_gradient() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    weight.grad = torch.tensor([0.5, -4.0])
    group = {"params": [weight], "lr": 0.1, "name": ""}
    Sgd(0.1, 0.0, 0.0, None).build([group], "cpu").step()
    torch.testing.assert_close(weight.detach(), torch.tensor([0.95, 2.4]))


def test_fields_have_torchs_names() -> None:
    known = set(inspect.signature(torch.optim.SGD).parameters)
    assert {field.name for field in fields(Sgd)} <= known


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"momentum": -0.1}, {"weight_decay": -0.1}])
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"optimizer.{next(iter(wrong))}="):
        Sgd(**(asdict(SGD) | wrong))

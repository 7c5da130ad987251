"""Every optimizer: torch's own numbers, and wrong arguments told before anything runs."""

import importlib.util
import inspect
from dataclasses import fields
from typing import Any

import pytest
import torch

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose
from sdexp.optimizer.adamw import AdamW
from sdexp.optimizer.adamw_8bit import AdamW8bit
from sdexp.optimizer.any_torch import AnyTorch
from sdexp.optimizer.base import AbstractOptimizer
from sdexp.optimizer.sgd import Sgd
from sdexp.recipes import build_recipes

ADAMW = AdamW(1e-2, [0.9, 0.99], 1e-7, 0.1, False, None)


def steps(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> torch.Tensor:
    for number in range(3):
        parameter.grad = torch.linspace(-1, 1, parameter.numel()).view_as(parameter) * (number + 1)
        optimizer.step()
    return parameter.detach()


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(0, 1, 12).view(3, 4))


@pytest.mark.parametrize(
    "recipe, plain",
    [
        (ADAMW, lambda p: torch.optim.AdamW(p, 1e-2, (0.9, 0.99), 1e-7, 0.1, fused=True)),
        (Sgd(0.1, 0.9, 0.01, False), lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01)),
        (AnyTorch(0.1, "Adadelta", {"rho": 0.8}), lambda p: torch.optim.Adadelta(p, 0.1, 0.8)),
        (AnyTorch(0.1, "Adafactor", {}), lambda p: torch.optim.Adafactor(p, 0.1)),
    ],
)
def test_steps_are_those_of_torch(recipe: AbstractOptimizer, plain: Any) -> None:
    ours, theirs = parameter(), parameter()
    group = {"params": [ours], "lr": recipe.lr, "name": "unet"}
    made = recipe.build([group], "cpu")
    torch.testing.assert_close(steps(made, ours), steps(plain([theirs]), theirs), rtol=0, atol=0)


@pytest.mark.parametrize("kind, torchs", [(AdamW, torch.optim.AdamW), (Sgd, torch.optim.SGD)])
def test_fields_have_torchs_names(kind: type, torchs: type) -> None:
    assert {field.name for field in fields(kind)} <= set(inspect.signature(torchs).parameters)


def test_null_fused_means_fused_where_it_is_possible() -> None:
    for fused, device, expected in (
        (None, "cpu", True),
        (None, "xla", False),
        (False, "cpu", False),
    ):
        made = AdamW(1e-2, [0.9, 0.99], 1e-7, 0.1, False, fused)
        built = made.build([{"params": [parameter()], "lr": 1e-2, "name": ""}], device)
        assert built.defaults["fused"] is expected


@pytest.mark.parametrize(
    "wrong", [{"lr": 0.0}, {"lr": float("nan")}, {"betas": [0.9]}, {"betas": [0.9, 1.0]},
              {"eps": -1.0}, {"weight_decay": -0.1}],
)  # fmt: skip
@pytest.mark.parametrize("kind", [AdamW, AdamW8bit])
def test_values_out_of_range_are_refused_by_name(kind: Any, wrong: dict[str, Any]) -> None:
    values = {field.name: getattr(ADAMW, field.name) for field in fields(kind)}
    with pytest.raises(ValueError, match=f"optimizer.{next(iter(wrong))}="):
        kind(**(values | wrong))


REFUSED = {
    "AdamV": "not an optimizer of torch.optim; did you mean 'Adam'?",
    "sgd.torch.hub.load": "not an optimizer of torch.optim",
    "lr_scheduler": "not an optimizer of torch.optim",
    "SparseAdam": "torch refuses it here (SparseAdam does not support dense gradients",
    "LBFGS": "torch refuses it here (",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_train_is_refused_before_a_run(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AnyTorch(0.1, name, {}).check()
    assert REFUSED[name] in str(caught.value) and "\n" not in str(caught.value)


WRONG = {
    "betas": ([0.9], "optimizer.betas=[0.9]: allowed is a value such as (0.9, 0.999)"),
    "amsgrad": ("yes", "optimizer.amsgrad=yes: allowed is a value such as False"),
    "weight_decay": (True, "optimizer.weight_decay=True: allowed is a value such as 0"),
    "fused": ("maybe", "optimizer.fused=maybe: allowed is a value such as None"),
    "beta": (1, "optimizer.beta: Adam has no option 'beta'; did you mean 'betas'?"),
    "eps": (-1.0, "torch refuses it here (Invalid epsilon value: -1.0)"),
}


@pytest.mark.parametrize("key", WRONG)
def test_wrong_arguments_are_told_before_a_run(key: str) -> None:
    value, words = WRONG[key]
    with pytest.raises(ConfigError) as caught:
        AnyTorch(0.1, "Adam", {key: value}).check()
    assert words in str(caught.value)


def test_any_class_of_torch_by_its_name_in_yaml() -> None:
    overrides = ["~optimizer.amsgrad", "optimizer._target_=torch.optim.RMSprop", "~optimizer.betas"]
    overrides += ["+optimizer.alpha=0.9"]
    recipes = build_recipes(compose("train", overrides).config)
    arguments = {"eps": 1e-8, "weight_decay": 1e-2, "fused": None, "alpha": 0.9}
    assert recipes.optimizer == AnyTorch(1e-3, "RMSprop", arguments)
    recipes.optimizer.check()


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed"
)
def test_a_missing_package_is_one_line_with_the_command() -> None:
    recipes = build_recipes(compose("train", ["optimizer=adamw_8bit"]).config)
    with pytest.raises(ConfigError, match=r"pip install 'sdexp\[optim\]'"):
        recipes.check_files()


def test_eight_bits_come_near_to_thirty_two() -> None:
    pytest.importorskip("bitsandbytes")
    ours, theirs = parameter(), parameter()
    values = {field.name: getattr(ADAMW, field.name) for field in fields(AdamW8bit)}
    made = AdamW8bit(**values).build([{"params": [ours], "lr": 1e-2, "name": ""}], "cpu")
    plain = torch.optim.AdamW([theirs], 1e-2, (0.9, 0.99), 1e-7, 0.1)
    torch.testing.assert_close(steps(made, ours), steps(plain, theirs), rtol=1e-2, atol=1e-3)

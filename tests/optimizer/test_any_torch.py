from typing import Any

import pytest
import torch

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose
from sdexp.optimizer.any_torch import AnyTorch
from sdexp.recipes import build_recipes
from tests.optimizer.stepping import check_steps


@pytest.mark.parametrize(
    "recipe, plain",
    [
        (AnyTorch(0.1, "Adadelta", {"rho": 0.8}), lambda p: torch.optim.Adadelta(p, 0.1, 0.8)),
        (AnyTorch(0.1, "Adafactor", {}), lambda p: torch.optim.Adafactor(p, 0.1)),
    ],
)
def test_steps_are_those_of_torch(recipe: AnyTorch, plain: Any) -> None:
    check_steps(recipe, plain)


REFUSED = {
    "AdamV": "not an optimizer of torch.optim; did you mean 'Adam'?",
    "sgd.torch.hub.load": "not an optimizer of torch.optim",
    "lr_scheduler": "not an optimizer of torch.optim",
    "Optimizer": "not an optimizer of torch.optim",
    "SparseAdam": "torch refuses it here (SparseAdam does not support dense gradients",
    "LBFGS": "torch refuses it here (",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_train_is_refused_before_a_run(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AnyTorch(0.1, name, {}).check()
    assert REFUSED[name] in str(caught.value) and "\n" not in str(caught.value)


def test_parameters_of_a_shape_that_it_does_not_take_are_told() -> None:
    kernel = torch.nn.Parameter(torch.ones(2, 2, 3, 3))
    recipe = AnyTorch(0.1, "Muon", {})
    recipe.check()
    with pytest.raises(ConfigError, match=r"Muon: torch refuses it here \(Muon only supports 2D"):
        recipe.build([{"params": [kernel], "lr": 0.1, "name": ""}], "cpu")


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

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sdexp.finetune.base import (
    check_components,
    exchange,
    freeze_all,
    read_component,
    unfreeze,
    write_component,
)
from sdexp.ground.applied import Applied
from sdexp.model.base import Component
from tests.finetune.pocket import original


def network(value: float) -> torch.nn.Linear:
    made = torch.nn.Linear(3, 2)
    torch.nn.init.constant_(made.weight, value)
    torch.nn.init.constant_(made.bias, -1)
    return made


def component(prefix: str) -> Component:
    return Component(network(1), Path("net") / "x.safetensors", prefix, None, '{"a": 1}')


@pytest.mark.parametrize("components", [[], ["unet", "unet"]])
def test_networks_are_named_once_each(components: list[str]) -> None:
    check_components(["unet", "text_encoder"])
    with pytest.raises(ValueError, match=r"finetune.components=.*: allowed is networks, each once"):
        check_components(components)


def test_one_network_of_a_frozen_model_trains() -> None:
    model = original()
    freeze_all(model)
    modules = model.modules()
    assert not any(p.requires_grad for m in modules.values() for p in m.parameters())
    assert not any(module.training for module in modules.values())
    modules["unet"].half()
    trained = unfreeze("unet", model.components()["unet"], lambda name: True)
    assert len(trained) == len(list(modules["unet"].parameters()))
    for name, parameter in modules["unet"].named_parameters():
        assert trained[f"unet.{name}"] is parameter
        assert parameter.requires_grad and parameter.dtype == torch.float32
    assert modules["unet"].training and not modules["vae"].training
    assert not any(p.requires_grad for p in modules["vae"].parameters())


def test_an_exchange_counts_and_a_second_one_puts_back() -> None:
    module = network(1)
    tensors = {"weight": torch.full((2, 3), 2.0), "bias": torch.full((2,), -1.0)}
    assert exchange(module, tensors) == Applied(applied=2, changed=1)
    assert (module.weight == 2).all() and (tensors["weight"] == 1).all()
    assert exchange(module, tensors) == Applied(applied=2, changed=1)
    assert (module.weight == 1).all() and (tensors["weight"] == 2).all()


def test_what_does_not_fit_is_missing_and_unexpected() -> None:
    module = network(1)
    tensors = {"weight": torch.zeros(3, 3), "foreign": torch.zeros(1)}
    assert exchange(module, tensors) == Applied(
        applied=0, changed=0, missing=("bias", "weight"), unexpected=("foreign", "weight")
    )
    assert (module.weight == 1).all()


def test_half_precision_is_taken_in_the_networks_own(tmp_path: Path) -> None:
    module = network(1)
    exchange(module, {"weight": torch.full((2, 3), 0.5, dtype=torch.float16)})
    assert module.weight.dtype == torch.float32 and (module.weight == 0.5).all()


@pytest.mark.parametrize("prefix", ["", "text_model."])
def test_a_network_comes_back_under_its_own_names(prefix: str, tmp_path: Path) -> None:
    one = component(prefix)
    write_component(one, tmp_path)
    file = tmp_path / "net" / "x.safetensors"
    assert set(load_file(file)) == {f"{prefix}weight", f"{prefix}bias"}
    assert (file.parent / "config.json").read_text() == '{"a": 1}'
    found = read_component(one, tmp_path)
    assert found.keys() == {"weight", "bias"} and (found["weight"] == 1).all()


def test_names_that_have_their_prefix_in_memory_keep_it(tmp_path: Path) -> None:
    module = torch.nn.ModuleDict({"text_model": network(3)})
    one = Component(module, Path("x.safetensors"), "text_model.", None, "{}")
    write_component(one, tmp_path)
    assert set(load_file(tmp_path / "x.safetensors")) == {"text_model.weight", "text_model.bias"}
    assert read_component(one, tmp_path).keys() == module.state_dict().keys()

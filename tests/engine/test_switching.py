"""States of weights in turn, against merging for good and against the original's own bits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.engine.switching import Switchable, tensors_of
from sdexp.engine.weights import apply_weights
from sdexp.finetune.base import AbstractFinetune
from sdexp.finetune.merging import merge
from sdexp.finetune.whole import Whole
from sdexp.ground.errors import ConfigError, DataError
from sdexp.model.base import LoadedModel
from tests.finetune.pocket import TARGETS, lora, original


def save_trained(finetune: AbstractFinetune, folder: Path, seed: int) -> Path:
    """Weights of a strategy after something that passes for a training."""
    model = original()
    trained = finetune.attach(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in list(trained.values())[1::2]:
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    finetune.save(model, folder)
    return folder


def adapters(use_dora: bool = False) -> AbstractFinetune:
    return lora(["unet", "text_encoder"], use_dora=use_dora, target_modules=TARGETS)


def bits(model: LoadedModel) -> dict[str, bytes]:
    return {
        f"{name}.{key}": tensor.numpy().tobytes()
        for name, own in tensors_of(model).items()
        for key, tensor in own.items()
    }


STRATEGIES: dict[str, Callable[[], AbstractFinetune]] = {
    "lora": adapters,
    "dora": lambda: adapters(use_dora=True),
    "whole": lambda: Whole(["text_encoder"], {}, None),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_state_is_what_an_evaluation_has_and_leaves_no_trace(
    strategy: str, tmp_path: Path
) -> None:
    finetune = STRATEGIES[strategy]()
    save_trained(finetune, tmp_path, 1)
    expected = original()
    proof = apply_weights(finetune, expected, tmp_path).applied
    merge(expected)
    model = original()
    before = bits(model)
    prints = model.fingerprints()
    weights = Switchable(model, finetune, tmp_path)
    assert weights.applied == proof
    assert bits(model) == before and model.fingerprints() == prints
    for _ in range(2):
        with weights.put_in():
            assert bits(model) == bits(expected)
            assert model.fingerprints() == expected.fingerprints()
        assert bits(model) == before and model.fingerprints() == prints


def test_states_take_turns_and_a_fault_is_no_trace(tmp_path: Path) -> None:
    model = original()
    before = bits(model)
    lora_weights = Switchable(model, adapters(), save_trained(adapters(), tmp_path / "a", 1))
    other = Switchable(model, adapters(), save_trained(adapters(), tmp_path / "b", 2))
    found = []
    for weights, strength in ((lora_weights, 1.0), (other, 1.0), (lora_weights, 0.5)):
        with pytest.raises(ZeroDivisionError), weights.put_in(strength):
            found.append((str(model.fingerprints()), str(bits(model))))
            raise ZeroDivisionError
        assert bits(model) == before
    assert len({print_ for print_, _ in found}) == len({tensors for _, tensors in found}) == 3
    for strength in range(20):
        with lora_weights.put_in(1 + strength / 100):
            pass
    # Also once the first ones have been forgotten.
    with lora_weights.put_in():
        assert str(model.fingerprints()) == found[0][0] and str(bits(model)) == found[0][1]


def test_what_equals_the_original_costs_no_memory(tmp_path: Path) -> None:
    model = original()
    whole = Whole(["text_encoder"], {}, None)
    changed = Switchable(model, whole, save_trained(whole, tmp_path / "whole", 1))
    module = model.modules()["text_encoder"]
    size = sum(parameter.nbytes for parameter in module.parameters())
    # Every second parameter was changed.
    assert 0 < changed.nbytes < size
    file_size = sum(
        tensor.nbytes
        for tensor in load_file(
            save_trained(adapters(), tmp_path / "lora", 1) / "pytorch_lora_weights.safetensors"
        ).values()
    )
    assert Switchable(model, adapters(), tmp_path / "lora").nbytes == file_size


def test_only_adapters_have_a_strength(tmp_path: Path) -> None:
    model = original()
    whole = Whole(["text_encoder"], {}, None)
    weights = Switchable(model, whole, save_trained(whole, tmp_path, 1))
    before = bits(model)
    with pytest.raises(ConfigError, match="strength 0.5: these weights are whole networks"):
        weights.put_in(0.5).__enter__()
    assert not weights.has_strength and bits(model) == before


@pytest.mark.parametrize("fault", ["empty", "foreign", "half"])
def test_weights_that_are_refused_leave_the_original(fault: str, tmp_path: Path) -> None:
    model = original()
    before = bits(model)
    prints = model.fingerprints()
    file = save_trained(adapters(), tmp_path, 1) / "pytorch_lora_weights.safetensors"
    tensors = load_file(file)
    first = next(iter(tensors))
    spoiled = {
        "empty": {},
        "foreign": tensors | {"unet.nowhere.lora_A.weight": tensors[first].clone()},
        "half": {key: tensor for key, tensor in tensors.items() if key != first},
    }
    save_file(spoiled[fault], file)
    with pytest.raises(DataError):
        Switchable(model, adapters(), tmp_path)
    assert bits(model) == before and model.fingerprints() == prints
    assert not any(getattr(module, "peft_config", None) for module in model.modules().values())

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers import CLIPTokenizer

from sdexp.ground.assets import ASSETS
from sdexp.ground.fingerprints import (
    network_sha256,
    settings_sha256,
    tokenizer_sha256,
    weights_sha256,
)


def network() -> torch.nn.Sequential:
    layers = [torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)]
    for number, parameter in enumerate(p for layer in layers for p in layer.parameters()):
        torch.nn.init.constant_(parameter, number + 0.5)
    return torch.nn.Sequential(*layers)


@pytest.fixture
def tokenizer() -> Any:
    return CLIPTokenizer.from_pretrained(ASSETS / "pocket-sd" / "tokenizer")


def test_weights_are_hashed_by_name_type_shape_and_bytes() -> None:
    total = hashlib.sha256()
    named = {"0.weight": (2, 3), "0.bias": (2,), "1.weight": (1, 2), "1.bias": (1,)}
    values = dict(zip(named, (0.5, 1.5, 2.5, 3.5), strict=True))
    for name in sorted(named):
        total.update(f"{name} torch.float32 {named[name]}\n".encode())
        total.update(torch.full(named[name], values[name]).numpy().tobytes())
    assert weights_sha256(network()) == total.hexdigest()


def test_one_bit_another_type_or_another_name_is_another_network() -> None:
    touched, half = network(), network().half()
    renamed = torch.nn.Sequential(OrderedDict(zip(("0", "2"), network(), strict=True)))
    with torch.no_grad():
        touched[1].bias.view(torch.int32).bitwise_xor_(1)
    hashes = {weights_sha256(one) for one in (network(), touched, half, renamed)}
    assert len(hashes) == 4 and weights_sha256(network()) in hashes


def test_a_layout_in_memory_is_no_difference() -> None:
    turned = network()
    turned[0].weight.data = turned[0].weight.data.t().contiguous().t()
    assert not turned[0].weight.is_contiguous()
    assert weights_sha256(turned) == weights_sha256(network())


def test_settings_tell_nothing_of_their_place() -> None:
    plain = settings_sha256({"a": 1, "b": [1, 2]})
    assert settings_sha256({"b": [1, 2], "a": 1, "_name_or_path": "/tmp", "dtype": "x"}) == plain
    assert settings_sha256({"a": 1, "b": [2, 1]}) != plain
    assert settings_sha256({"a": 1}) != plain


def test_the_scale_of_adapters_counts() -> None:
    def adapted(alpha: int) -> torch.nn.Module:
        torch.manual_seed(0)
        return inject_adapter_in_model(
            LoraConfig(r=2, lora_alpha=alpha, target_modules=["0"]), network()
        )

    one, two = adapted(2), adapted(4)
    # As a network that transformers or diffusers has adapted tells it.
    for made in (one, two):
        made.peft_config = {"default": None}
    assert weights_sha256(one) == weights_sha256(two)
    assert network_sha256(one, {}) == network_sha256(one, {})
    assert network_sha256(one, {}) != network_sha256(two, {})
    assert network_sha256(network(), {"a": 1}) != network_sha256(network(), {"a": 2})


def test_calls_of_a_tokenizer_leave_no_trace(tokenizer: Any) -> None:
    before = tokenizer_sha256(tokenizer)
    tokenizer(["a red star", "a"], padding="max_length", truncation=True, max_length=5)
    assert tokenizer_sha256(tokenizer) == before


def test_whatever_changes_the_tokens_changes_the_hash(tokenizer: Any, tmp_path: Path) -> None:
    hashes = [tokenizer_sha256(tokenizer)]
    tokenizer.model_max_length = 7
    hashes.append(tokenizer_sha256(tokenizer))
    tokenizer.padding_side = "left"
    hashes.append(tokenizer_sha256(tokenizer))
    tokenizer.pad_token = "a"
    hashes.append(tokenizer_sha256(tokenizer))
    tokenizer.add_tokens(["zebra"])
    hashes.append(tokenizer_sha256(tokenizer))
    assert len(set(hashes)) == 5

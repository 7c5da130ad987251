from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from sdexp.ground.store import Store
from sdexp.model.packed import PackedConv2d
from tests.engine.train.runs import losses, trainer


@pytest.mark.parametrize("strategy", ["unet", "text_encoder"])
def test_gradient_checkpointing_changes_no_number(train: Any, strategy: str) -> None:
    plain = train("plain", f"finetune={strategy}")
    saving = train("saving", f"finetune={strategy}", "hardware.gradient_checkpointing=true")
    assert losses(saving) == pytest.approx(losses(plain), rel=1e-6)


def test_packed_convolutions_train_the_same(tiny_run: Any, tiny_recipes: Any, store: Store) -> None:
    words = ("finetune=lora", "hardware.packed_convolutions=true")
    runs = {}
    for name, overrides in (("plain", words[:1]), ("packed", words)):
        one = trainer(tiny_run(name, *overrides), tiny_recipes, store, *overrides)
        kinds = [type(module) for module in one.setup.model.modules()["unet"].modules()]
        assert (PackedConv2d in kinds) is (name == "packed")
        one.train()
        runs[name] = one.run
    assert losses(runs["packed"]) == pytest.approx(losses(runs["plain"]), rel=1e-5)


def test_moments_are_shared_by_all_precisions(
    tiny_run: Any, tiny_recipes: Any, store: Store
) -> None:
    half = ("hardware.mixed_precision=bf16", "hardware.frozen_dtype=bf16")
    encoded = {}
    for name, words in (("exact", ()), ("half", half)):
        one = trainer(tiny_run(name, *words), tiny_recipes, store, *words)
        one.train()
        vae = one.setup.model.modules()["vae"]
        assert {p.dtype for p in vae.parameters()} == {torch.float32}, "it fills the store"
        encoded[name] = one.setup.loss_of.moments.encoded
        AcceleratorState._reset_state(reset_partial_state=True)
    assert encoded["exact"] and not encoded["half"]
    words = (*half, "training.cache_latents=false")
    one = trainer(tiny_run("uncached", *words), tiny_recipes, store, *words)
    assert {p.dtype for p in one.setup.model.modules()["vae"].parameters()} == {torch.bfloat16}


@pytest.mark.slow
def test_compiled_blocks_train_the_same(
    train: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    words = ("finetune=lora", "training.use_ema=true")
    plain = train("plain", *words)
    compiled = train("compiled", *words, "hardware.compile=true")
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-4)
    names = [sorted(load_file(next(r.weights.glob("*.safetensors")))) for r in (plain, compiled)]
    assert names[0] == names[1]
    assert list(store.root.with_name("compiled").iterdir())

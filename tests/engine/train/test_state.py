from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sdexp.ground.store import Store
from tests.engine.train.runs import losses, tensors_of, trainer


@pytest.mark.parametrize("strategy", ["lora", "text_encoder"])
def test_weights_hold_the_moving_average(train: Any, strategy: str) -> None:
    options = (f"finetune={strategy}", "training.use_ema=true", "training.max_train_steps=3")
    run = train("ema", *options, "training.checkpointing_steps=1")
    checkpoint = run.checkpoints / "000003"
    raw, average = (load_file(checkpoint / f"{n}.safetensors") for n in ("trained", "ema"))
    assert any(not torch.equal(raw[k], average[k]) for k in raw)
    saved = sorted(float(t.double().sum()) for t in tensors_of(run))
    assert saved == pytest.approx(sorted(float(t.double().sum()) for t in average.values()))


def test_early_stopping_restores_the_best_weights(train: Any) -> None:
    """A learning rate that ruins the model: the first check is the best."""
    run = train(
        "stop", "model.pretrained_model_name_or_path=pocket-sd", "finetune=text_encoder",
        "optimizer.lr=0.05", "training.max_train_steps=20",
        "training.validation_steps=1", "training.early_stopping.patience=2", "scheduler=constant",
        "training.checkpointing_steps=1", "training.checkpoints_total_limit=30",
    )  # fmt: skip
    values = losses(run, "validation")
    best = min(range(1, max(values) + 1), key=lambda step: values[step])
    assert max(values) < 20 and max(values) == best + 2
    expected = load_file(run.checkpoints / f"{best:06d}" / "trained.safetensors")
    saved = load_file(run.weights / "text_encoder" / "model.safetensors")
    for key, tensor in expected.items():
        assert torch.equal(saved[f"text_model.{key.removeprefix('text_encoder.')}"], tensor)


def test_average_and_weights_change_places(tiny_run: Any, tiny_recipes: Any, store: Store) -> None:
    """While the average is served it holds the raw weights, and nothing is kept twice."""
    words = ("training.use_ema=true", "training.max_train_steps=3")
    one = trainer(tiny_run("run", *words), tiny_recipes, store, *words)
    one.train()
    state = one.state
    assert state.ema is not None
    raw = [parameter.detach().clone() for parameter in state.parameters]
    average = [tensor.clone() for tensor in state.ema.tensors]
    assert not all(map(torch.equal, raw, average))
    with state.served_weights():
        assert all(map(torch.equal, state.parameters, average))
        assert all(map(torch.equal, state.ema.tensors, raw))
    assert all(map(torch.equal, state.parameters, raw))
    assert all(map(torch.equal, state.ema.tensors, average))

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sdexp.engine.train.setup import set_up
from sdexp.engine.train.trainer import Trainer
from sdexp.engine.train.update import resting_files
from sdexp.ground.errors import ConfigError, DivergedError
from sdexp.ground.store import Store
from tests.checkpoints import recipe
from tests.engine.train.runs import losses, tensors_of


@pytest.mark.parametrize("strategy", ["unet", "lora"])
def test_accumulation_equals_one_large_batch(train: Any, strategy: str) -> None:
    """40 samples in steps of 12: the fourth group of an epoch is short."""
    common = (f"finetune={strategy}", "optimizer=sgd", "optimizer.lr=0.1", "training.use_ema=true")
    whole = train("whole", *common, "training.train_batch_size=12")
    parts = train(
        "parts", *common, "training.train_batch_size=5", "training.gradient_accumulation_steps=3",
        "dataset.num_train=40",
    )  # fmt: skip
    split = train(
        "split", *common, "training.train_batch_size=4", "training.gradient_accumulation_steps=3"
    )
    assert losses(split) == pytest.approx(losses(whole), rel=1e-5)
    assert losses(parts) != pytest.approx(losses(whole), rel=1e-5)
    a, b = (load_file(next(r.weights.rglob("*.safetensors"))) for r in (whole, split))
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=1e-4, atol=1e-5)


def test_gradients_are_clipped_once_per_update(train: Any, tiny: str) -> None:
    """Plain SGD moves by lr x min(norm, limit) over all parameters together."""
    run = train(
        "clip", "finetune=unet", "optimizer=sgd", "optimizer.lr=1.0", "optimizer.momentum=0",
        "scheduler=constant", "training.max_train_steps=1", "training.max_grad_norm=0.01",
        "training.gradient_accumulation_steps=2",
    )  # fmt: skip
    norms = losses(run, name="grad_norm")
    assert norms[1] > 0.01
    after = load_file(run.weights / "unet" / "diffusion_pytorch_model.safetensors")
    before = recipe(tiny.partition("=")[2]).load("cpu").modules()["unet"]
    moved = sum(float((after[k] - t).square().sum()) for k, t in before.state_dict().items())
    assert moved**0.5 == pytest.approx(0.01, rel=1e-3)


def test_learning_rates_follow_the_schedule(train: Any) -> None:
    run = train(
        "rates", "scheduler=linear", "scheduler.warmup_fraction=0", "scheduler.warmup_steps=2",
        "optimizer.lr=0.004", "training.gradient_accumulation_steps=3",
    )  # fmt: skip
    expected = {1: 0.0, 2: 0.002, 3: 0.004, 4: 0.002}
    assert losses(run, name="learning_rate") == pytest.approx(expected)


@pytest.mark.parametrize(
    "strategy, frozen", [("unet", {"text_encoder", "vae"}), ("text_encoder", {"unet", "vae"})]
)
def test_files_of_frozen_networks_leave_memory_before_every_backward_pass(
    train: Any, monkeypatch: pytest.MonkeyPatch, strategy: str, frozen: set[str]
) -> None:
    plain = train("plain", f"finetune={strategy}")
    given: list[Path] = []
    monkeypatch.setattr("sdexp.engine.train.update.rests_files", lambda *_: True)
    monkeypatch.setattr("sdexp.engine.train.update.let_go", given.append)
    train("counted", f"finetune={strategy}")
    assert {file.parent.name for file in given} == frozen
    # Before a backward pass, and before the optimizer's step.
    assert len(given) == 2 * len(frozen) * max(losses(plain))


def test_what_left_memory_is_read_again_to_the_same_bits(
    train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train("plain")
    monkeypatch.setattr("sdexp.engine.train.update.rests_files", lambda *_: True)
    rested = train("rested")
    assert all(map(torch.equal, tensors_of(plain), tensors_of(rested)))


def test_files_stay_while_little_trains(tiny_run: Any, tiny_recipes: Any, store: Store) -> None:
    assert resting_files(set_up(tiny_run("little"), tiny_recipes(), store)) == []


def test_a_tensor_that_the_loss_does_not_see_ends_the_run(
    tiny_run: Any, tiny_recipes: Any, store: Store
) -> None:
    run = tiny_run("ghost")
    setup = set_up(run, tiny_recipes(), store)
    setup.state.trained["unet.ghost"] = torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(ConfigError, match=r"no gradient reaches 1 of \d+ trained .*unet.ghost"):
        Trainer(run, setup).train()
    assert not run.weights.exists()


def test_a_loss_that_is_no_number_stops_before_the_update(
    tiny_run: Any, tiny_recipes: Any, store: Store
) -> None:
    run = tiny_run("nan")
    setup = set_up(run, tiny_recipes(), store)
    loss_of, calls = setup.loss_of, []

    def third_is_nan(items: Any, purpose: str = "train") -> torch.Tensor:
        losses = loss_of(items, purpose)
        if purpose == "train":
            calls.append(1)
        return losses * float("nan") if len(calls) == 3 and purpose == "train" else losses

    broken = Trainer(run, replace(setup, loss_of=third_is_nan))  # type: ignore[arg-type]
    seen: list[dict[str, torch.Tensor]] = []
    apply = broken.updater.gradients.apply

    def remember(loss: float) -> float:
        seen.append({k: p.detach().clone() for k, p in broken.state.trained.items()})
        return apply(loss)

    broken.updater.gradients.apply = remember  # type: ignore[method-assign]
    with pytest.raises(DivergedError, match="step 3: loss nan") as caught:
        broken.train()
    assert caught.value.exit_code == 76
    for key, parameter in broken.state.trained.items():
        assert torch.equal(parameter, seen[-1][key])
    assert max(losses(run)) == 2 and not run.weights.exists()

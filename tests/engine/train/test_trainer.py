"""The training loop, run for real on the embedded model with a handful of steps."""

import os
import shutil
import signal
import sys
import threading
from typing import Any

import pytest

from sdexp.engine.train.update import StepResult
from sdexp.ground.fingerprints import NetworkState
from sdexp.ground.interrupt import Interrupted, check_interrupt, listening
from sdexp.ground.run import saved_steps
from sdexp.ground.store import Store
from tests.commands import digest
from tests.engine.train.runs import losses, trainer


def test_the_same_run_twice_gives_the_same_bytes(train: Any) -> None:
    a, b = train("a"), train("b")
    assert digest(a.weights) == digest(b.weights)
    assert digest(a.validation) == digest(b.validation)
    assert losses(a) == losses(b) and sorted(losses(a)) == [1, 2, 3, 4]


def test_looking_caching_and_workers_change_nothing(
    train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = digest(train("base").weights)
    for name, *overrides in (
        ("no_look", "training.validation_steps=null"),
        ("no_pictures", "training.validation_images_steps=null"),
        ("no_store", "training.cache_latents=false"),
        ("workers", "hardware.dataloader_num_workers=2"),
        ("no_checkpoints", "training.checkpointing_steps=null"),
        ("many_checkpoints", "training.checkpointing_steps=1"),
    ):
        assert digest(train(name, *overrides).weights) == base, name
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert digest(train("progress_bar").weights) == base


def test_another_seed_changes_the_weights(train: Any) -> None:
    assert digest(train("a").weights) != digest(train("b", "training.seed=1").weights)


def test_epochs_as_duration(train: Any) -> None:
    run = train("epochs", "training.max_train_steps=null", "training.num_train_epochs=1")
    assert max(losses(run)) == 10


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.use_ema=true", "finetune.lora_dropout=0.3"),
        ("finetune=unet", "training.gradient_accumulation_steps=3"),
        ("finetune=unet", "hardware.channels_last=true"),
        ("finetune=lora", "hardware.packed_convolutions=true"),
    ],
)
def test_resumed_equals_uninterrupted(
    train: Any, tiny_run: Any, tiny_recipes: Any, store: Store, overrides: tuple[str, ...]
) -> None:
    overrides = (*overrides, "training.max_train_steps=5", "training.checkpointing_steps=2")
    whole = train("whole", *overrides)
    run = tiny_run("cut", *overrides)
    first = trainer(run, tiny_recipes, store, *overrides)
    update = first.updater.update

    def stop_in_the_fourth(batches: Any) -> StepResult:
        if first.state.step == 3:
            raise KeyboardInterrupt
        return update(batches)

    first.updater.update = stop_in_the_fourth  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert max(losses(run)) == 3
    trainer(run, tiny_recipes, store, *overrides).train()
    assert digest(run.weights) == digest(whole.weights)
    assert losses(run) == losses(whole)
    assert digest(run.checkpoints / "000005") == digest(whole.checkpoints / "000005")


@pytest.mark.parametrize(
    ("phase", "call", "saved"),
    [
        ("loss", 1, None),
        ("loss", 5, 4),
        ("look", 2, 1),
        ("look", 6, 5),
        ("save", 1, 3),
        ("finish", 1, 5),
    ],
)
def test_a_signal_saves_the_last_finished_step(
    train: Any,
    tiny_run: Any,
    tiny_recipes: Any,
    store: Store,
    phase: str,
    call: int,
    saved: int | None,
) -> None:
    """Sent in the midst of a step, a validation, a checkpoint and the writing of the weights."""
    overrides = (
        "training.use_ema=true", "training.gradient_accumulation_steps=2",
        "training.max_train_steps=5", "training.checkpointing_steps=3",
        "training.validation_steps=1", "training.num_validation_samples=1",
        "training.early_stopping.patience=4",
    )  # fmt: skip
    whole = train("whole", *overrides)
    run = tiny_run("stopped", *overrides)
    first = trainer(run, tiny_recipes, store, *overrides)
    owner, name = {
        "loss": (first.setup.loss_of, "stream"),
        "look": (first.setup.validation, "item"),
        "save": (first, "_save"),
        "finish": (first, "_finish"),
    }[phase]
    send_on_call(owner, name, call * (24 if phase == "loss" else 1))
    with listening(), pytest.raises(Interrupted, match="SIGTERM"):
        first.train()
        check_interrupt()
    assert max([0, *saved_steps(run.checkpoints)]) == (saved or 0)
    trainer(run, tiny_recipes, store, *overrides).train()
    assert digest(run.weights) == digest(whole.weights)
    assert losses(run) == losses(whole)
    assert losses(run, "validation") == losses(whole, "validation")


def send_on_call(owner: Any, name: str, number: int) -> None:
    """SIGTERM to this process at the n-th call of a method."""
    work, calls = getattr(owner, name), []

    def sending(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return work(*arguments)

    setattr(owner, name, sending)


def test_what_is_measured_of_the_original_never_sees_a_checkpoint(
    tiny_run: Any, tiny_recipes: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run puts its checkpoint into the tensors that are being measured."""
    words = ("finetune=unet", "training.checkpointing_steps=1", "training.max_train_steps=2")
    run = tiny_run("run", *words)
    trainer(run, tiny_recipes, store, *words).train()
    shutil.rmtree(run.weights)
    began = threading.Event()
    hash_it = NetworkState.sha256

    def late(state: NetworkState) -> str:
        began.wait(timeout=0.5)
        return hash_it(state)

    monkeypatch.setattr(NetworkState, "sha256", late)
    trainer(run, tiny_recipes, store, *words).train()
    assert run.weights.is_dir()

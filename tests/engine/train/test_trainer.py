"""The training loop, run for real on the embedded model with a handful of steps."""

import hashlib
import json
import os
import signal
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from sdexp import worker
from sdexp.engine.train.checkpoint import saved_steps
from sdexp.engine.train.setup import set_up
from sdexp.engine.train.trainer import Trainer
from sdexp.engine.train.update import StepResult
from sdexp.ground.errors import DivergedError
from sdexp.ground.interrupt import Interrupted, check_interrupt, listening
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from tests.commands import digest
from tests.records import logged
from tests.training import trainer_of


def trainer(run: RunFolder, recipes: Any, store: Store, *overrides: str) -> Trainer:
    run.path.mkdir(exist_ok=True)
    return trainer_of(run, recipes(*overrides), store)


@pytest.fixture
def recipes(recipes: Any, tiny: str) -> Any:
    """Recipes of a run so small that a step takes milliseconds."""
    return lambda *overrides: recipes(tiny, *overrides)


@pytest.fixture
def new_run(new_run: Any, tiny: str) -> Any:
    return lambda name, *overrides: new_run(name, tiny, *overrides)


@pytest.fixture
def train(new_run: Any, recipes: Any, store: Store) -> Any:
    """Train in this process; returns the run folder."""

    def work(name: str, *overrides: str) -> RunFolder:
        run = new_run(name, *overrides)
        trainer(run, recipes, store, *overrides).train()
        return run

    return work


def losses(run: RunFolder, split: str = "train", name: str = "loss") -> dict[int, float]:
    rows = [row for row in logged(run.log) if row["split"] == split and row["name"] == name]
    assert len({row["step"] for row in rows}) == len(rows), "a step is logged twice"
    return {row["step"]: row["value"] for row in rows}


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
    from sdexp.model.stable_diffusion import StableDiffusion

    before = StableDiffusion(tiny.partition("=")[2], None).load("cpu", "float32").modules()["unet"]
    moved = sum(float((after[k] - t).square().sum()) for k, t in before.state_dict().items())
    assert moved**0.5 == pytest.approx(0.01, rel=1e-3)


def test_learning_rates_follow_the_schedule(train: Any) -> None:
    run = train(
        "rates", "scheduler=linear", "scheduler.warmup_fraction=0", "scheduler.warmup_steps=2",
        "optimizer.lr=0.004", "training.gradient_accumulation_steps=3",
    )  # fmt: skip
    expected = {1: 0.0, 2: 0.002, 3: 0.004, 4: 0.002}
    assert losses(run, name="learning_rate") == pytest.approx(expected)


def test_validation_loss_is_on_fixed_noise(train: Any) -> None:
    run = train("val", "optimizer.lr=1e-12")
    values = losses(run, "validation")
    assert sorted(values) == [0, 2, 4]
    assert values[4] == pytest.approx(values[0], rel=1e-4)


def test_validation_pictures_start_with_step_0(train: Any) -> None:
    run = train("pictures")
    assert sorted(path.name for path in run.validation.iterdir() if path.is_dir()) == [
        "000000",
        "000004",
    ]
    assert len(json.loads((run.validation / "prompts.json").read_text())) == 2


def test_epochs_as_duration(train: Any) -> None:
    run = train("epochs", "training.max_train_steps=null", "training.num_train_epochs=1")
    assert max(losses(run)) == 10


@pytest.mark.parametrize("strategy", ["lora", "text_encoder"])
def test_weights_hold_the_moving_average(train: Any, strategy: str) -> None:
    options = (f"finetune={strategy}", "training.use_ema=true", "training.max_train_steps=3")
    run = train("ema", *options, "training.checkpointing_steps=1")
    checkpoint = run.checkpoints / "000003"
    raw, average = (load_file(checkpoint / f"{n}.safetensors") for n in ("trained", "ema"))
    assert any(not torch.equal(raw[k], average[k]) for k in raw)
    saved = sorted(float(t.double().sum()) for t in tensors_of(run))
    assert saved == pytest.approx(sorted(float(t.double().sum()) for t in average.values()))


def tensors_of(run: RunFolder) -> list[torch.Tensor]:
    return list(load_file(next(run.weights.rglob("*.safetensors"))).values())


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


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.use_ema=true", "finetune.lora_dropout=0.3"),
        ("finetune=unet", "training.gradient_accumulation_steps=3"),
        ("finetune=unet", "hardware.channels_last=true"),
    ],
)
def test_resumed_equals_uninterrupted(
    train: Any, new_run: Any, recipes: Any, store: Store, overrides: tuple[str, ...]
) -> None:
    overrides = (*overrides, "training.max_train_steps=5", "training.checkpointing_steps=2")
    whole = train("whole", *overrides)
    run = new_run("cut", *overrides)
    first = trainer(run, recipes, store, *overrides)
    update = first.updater.update

    def stop_in_the_fourth(batches: Any) -> StepResult:
        if first.state.step == 3:
            raise KeyboardInterrupt
        return update(batches)

    first.updater.update = stop_in_the_fourth  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert max(losses(run)) == 3
    trainer(run, recipes, store, *overrides).train()
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
    train: Any, new_run: Any, recipes: Any, store: Store, phase: str, call: int, saved: int | None
) -> None:
    """Sent in the midst of a step, a validation, a checkpoint and the writing of the weights."""
    overrides = (
        "training.use_ema=true", "training.gradient_accumulation_steps=2",
        "training.max_train_steps=5", "training.checkpointing_steps=3",
        "training.validation_steps=1", "training.num_validation_samples=1",
        "training.early_stopping.patience=4",
    )  # fmt: skip
    whole = train("whole", *overrides)
    run = new_run("stopped", *overrides)
    first = trainer(run, recipes, store, *overrides)
    owner, name = {
        "loss": (first.setup.loss_of, "level"),
        "look": (first.setup.validation, "item"),
        "save": (first, "_save"),
        "finish": (first, "_finish"),
    }[phase]
    send_on_call(owner, name, call * (8 if phase == "loss" else 1))
    with listening(), pytest.raises(Interrupted, match="SIGTERM"):
        first.train()
        check_interrupt()
    assert max([0, *saved_steps(run.checkpoints)]) == (saved or 0)
    trainer(run, recipes, store, *overrides).train()
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


def test_a_loss_that_is_no_number_stops_before_the_update(
    new_run: Any, recipes: Any, store: Store
) -> None:
    run = new_run("nan")
    setup = set_up(run, recipes(), store)
    loss_of, calls = setup.loss_of, []

    def third_is_nan(items: Any, purpose: str = "train") -> torch.Tensor:
        losses = loss_of(items, purpose)
        if purpose == "train":
            calls.append(1)
        return losses * float("nan") if len(calls) == 3 and purpose == "train" else losses

    broken = Trainer(run, replace(setup, loss_of=third_is_nan))  # type: ignore[arg-type]
    seen: list[dict[str, torch.Tensor]] = []
    apply = broken.updater._apply_gradients

    def remember(loss: float) -> float:
        seen.append({k: p.detach().clone() for k, p in broken.state.trained.items()})
        return apply(loss)

    broken.updater._apply_gradients = remember  # type: ignore[method-assign]
    with pytest.raises(DivergedError, match="step 3: loss nan") as caught:
        broken.train()
    assert caught.value.exit_code == 76
    for key, parameter in broken.state.trained.items():
        assert torch.equal(parameter, seen[-1][key])
    assert max(losses(run)) == 2 and not run.weights.exists()


def test_bf16_trains_and_keeps_float32_weights(train: Any) -> None:
    run = train("bf16", "hardware.mixed_precision=bf16", "hardware.channels_last=true")
    assert {t.dtype for t in tensors_of(run)} == {torch.float32}
    AcceleratorState._reset_state(reset_partial_state=True)
    exact = losses(train("float32"))
    assert losses(run) != exact and losses(run) == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("strategy", ["unet", "text_encoder"])
def test_gradient_checkpointing_changes_no_number(train: Any, strategy: str) -> None:
    plain = train("plain", f"finetune={strategy}")
    saving = train("saving", f"finetune={strategy}", "hardware.gradient_checkpointing=true")
    assert losses(saving) == pytest.approx(losses(plain), rel=1e-6)


def test_moments_come_from_the_store_the_second_time(
    new_run: Any, recipes: Any, store: Store
) -> None:
    for name, encoded in (("first", 4 * 4 + 4), ("second", 0)):
        one = trainer(new_run(name), recipes, store)
        one.train()
        assert one.setup.loss_of.moments.encoded == encoded


def test_a_picture_is_decoded_once_in_a_run(new_run: Any, recipes: Any, store: Store) -> None:
    overrides = ("training.max_train_steps=30", "training.random_flip=true")
    one = trainer(new_run("run", *overrides), recipes, store, *overrides)
    decoded: list[int] = []
    get = type(one.setup.data).__getitem__

    class Counting(type(one.setup.data)):  # type: ignore[misc]
        def __getitem__(self, index: int) -> Any:
            decoded.append(index)
            return get(self, index)

    one.setup.pictures.data.__class__ = Counting
    one.train()
    # Three epochs of 40 pictures, each in at most two mirrorings.
    assert 40 <= len(decoded) <= 80 and max(map(decoded.count, decoded)) <= 2


def test_the_worker_records_what_it_did(new_run: Any) -> None:
    run = new_run("record")
    worker._train(run, "")
    record = run.read_record()
    facts = record.training
    assert facts is not None and facts.images_per_second is not None
    assert facts.steps == 4 and facts.trainable_parameters < facts.total_parameters
    assert facts.images_per_second > 0 and facts.peak_memory_gb > 0.1
    assert record.data["train"].pictures == 40 and len(record.base_weights["unet"]) == 64
    (saved,) = record.weights.values()
    file = run.weights / "pytorch_lora_weights.safetensors"
    assert saved.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert saved.shapes == {name: list(t.shape) for name, t in load_file(file).items()}

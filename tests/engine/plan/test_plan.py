"""What a dry run says, compared with what a real run then does."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.engine.plan.disk import Needs, check_disk, check_run_disk, needs_of
from sdexp.engine.plan.known import LOOKED_AT, _spread
from sdexp.engine.plan.plan import check_plan, make_plan, measure
from sdexp.engine.plan.sizes import memory_of, optimizer_bytes
from sdexp.engine.plan.words import say_disk, say_measured, say_training
from sdexp.engine.train.setup import set_up
from sdexp.ground.errors import DiskError
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.ground.store_keeping import entries
from sdexp.optimizer.adamw import AdamW
from sdexp.optimizer.any_torch import AnyTorch
from sdexp.optimizer.sgd import Sgd
from sdexp.recipes import Recipes
from tests.training import trainer_of

OPTIMIZERS = {
    "adamw": AdamW(1e-3, [0.9, 0.999], 1e-8, 1e-2, False, None),
    "sgd": Sgd(1e-3, 0.9, 0.0, None),
    "adafactor": AnyTorch(1e-3, "Adafactor", {}),
}
# The moving average is there in every other case, the best weights in the others.
CASES = [
    (strategy, optimizer, (number + shift) % 2 == 0)
    for number, strategy in enumerate(("lora", "unet", "text_encoder"))
    for shift, optimizer in enumerate(OPTIMIZERS)
]


def optimizer_names(module: Any) -> list[str]:
    """Optimizers that take dense gradients and no closure."""
    found = [k for k, v in vars(module).items() if isinstance(v, type) and k[0].isupper()]
    return sorted(set(found) - {"Optimizer", "LBFGS", "SparseAdam"})


def within(share: float, expected: float) -> Any:
    return pytest.approx(expected, rel=share, abs=1)


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def facts_of(
    run: RunFolder, recipes: Recipes, store: Store, place: Path, with_step: bool
) -> dict[str, Any]:
    """A plan said and checked, as plain values."""
    made = make_plan(run, place, recipes, store)
    say_training(made)
    say_disk(made, place, store)
    check_plan(made, place, store)
    facts: dict[str, Any] = {
        "disk": asdict(made.needs) | {"run": made.needs.run, "store": made.store_gain},
        "store": {what: asdict(one) for what, one in made.known.items()},
        "steps": made.timetable.total,
        "epochs": made.timetable.epochs,
        "trainable_parameters": made.trainable_parameters,
        "total_parameters": made.total_parameters,
    }
    if with_step:
        measured = measure(made)
        say_measured(made, measured)
        facts["measured"] = asdict(measured) | {
            "training_seconds": made.training_seconds(measured),
            "evaluation_seconds": made.evaluation_seconds(measured),
        }
    return facts


@pytest.fixture
def planned(new_run: Any, recipes: Any, store: Store, tmp_path: Path) -> Any:
    """Plan a small run; its place is `<tmp>/place`."""

    def work(*overrides: str, measure: bool = False) -> dict[str, Any]:
        run = new_run(f"plan{len(list(tmp_path.iterdir()))}", *overrides)
        before = sorted(run.path.rglob("*"))
        facts = facts_of(run, recipes(*overrides), store, tmp_path / "place", with_step=measure)
        assert sorted(run.path.rglob("*")) == before and not (tmp_path / "place").exists()
        return facts

    return work


@pytest.mark.parametrize("strategy, optimizer, ema", CASES)
def test_memory_and_files_are_those_of_a_real_run(
    strategy: str, optimizer: str, ema: bool, new_run: Any, recipes: Any, store: Store
) -> None:
    patience = "null" if ema else "2"
    overrides = [
        f"finetune={strategy}", f"training.use_ema={ema}", "training.max_train_steps=2",
        "training.validation_steps=1", f"training.early_stopping.patience={patience}",
    ]  # fmt: skip
    run = new_run("run", *overrides)
    built = replace(recipes(*overrides), optimizer=OPTIMIZERS[optimizer])
    trainer = trainer_of(run, built, store)
    setup = trainer.setup
    memory = memory_of(setup)
    needs = needs_of(setup, setup.timetable, memory, 4, run.path)
    gradients: list[int] = []

    def weigh(*_: Any) -> None:
        gradients.append(sum(p.grad.nbytes for p in trainer.state.parameters if p.grad is not None))

    trainer.state.optimizer.optimizer.register_step_pre_hook(weigh)
    trainer.train()
    state = trainer.state
    kept = [v for s in state.optimizer.optimizer.state.values() for v in s.values()]
    modules = setup.model.modules().values()
    weights = sum(t.nbytes for m in modules for t in (*m.parameters(), *m.buffers()))
    actual = {
        "weights": weights,
        "gradients": gradients[0],
        "optimizer": sum(v.nbytes for v in kept if isinstance(v, Tensor)),
        "ema": sum(p.nbytes for p in state.ema.shadow_params) if state.ema else 0,
        "best": sum(t.nbytes for t in state.best.values()),
    }
    for name, size in actual.items():
        assert getattr(memory, name) == within(0.02, size), name
    assert memory.total == within(0.02, sum(actual.values()))
    assert needs.checkpoint == within(0.02, folder_bytes(run.checkpoints / "000002"))
    assert needs.weights == within(0.02, folder_bytes(run.weights))


@pytest.mark.parametrize("name", optimizer_names(torch.optim))
def test_state_of_every_optimizer(name: str) -> None:
    """Against one real step over all parameters together."""
    recipe = AnyTorch(1e-3, name, {})
    shapes = [(8, 6), (3, 7)] if name == "Muon" else [(8, 6), (8, 6), (5, 3, 3, 3), (7,), (1,)]
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = recipe.build([{"params": parameters}], "cpu")
    optimizer.step()
    kept = [value for state in optimizer.state.values() for value in state.values()]
    expected = sum(value.nbytes for value in kept if isinstance(value, Tensor))
    assert optimizer_bytes(recipe, parameters) == expected


def test_numbers_of_a_plan(planned: Any, capfd: pytest.CaptureFixture[str]) -> None:
    facts = planned(
        "training.gradient_accumulation_steps=3", "hardware.num_processes=2",
        "training.max_train_steps=null", "training.num_train_epochs=3", "evaluation.replicates=2",
        "scheduler.warmup_fraction=0.5", "optimizer.lr=0.003", "dataset.num_train=40",
    )  # fmt: skip
    assert (facts["steps"], facts["epochs"]) == (6, 3)
    told = capfd.readouterr().out
    for words in (
        "training: 6 steps = 3.0 epochs of 40 pictures (2 steps each)",
        "effective batch: 24 = 4 x 3 accumulated x 2 process(es)",
        "at most 0.003, 3 steps of warm-up",
        "evaluation: 4 prompts x 2 replicates x 2 models = 16 pictures of 64x64",
        "memory in each process: ",
        "store: has 0 of 40 training pictures",
        "store: has 0 of 1 batches of the original's pictures",
    ):
        assert words in told
    assert f"{facts['trainable_parameters']:,} train of {facts['total_parameters']:,}" in told


def test_without_evaluation_validation_and_cache(planned: Any, capfd: Any) -> None:
    facts = planned(
        "evaluation=none", "training.validation_steps=null", "training.cache_latents=false",
        "training.validation_images_steps=null",
    )  # fmt: skip
    assert facts["disk"]["pictures"] == facts["disk"]["store"] == 0
    told = capfd.readouterr().out
    assert "evaluation: none" in told and "store: has" not in told


@pytest.mark.slow
def test_the_store_holds_afterwards_what_was_said(
    planned: Any, new_run: Any, recipes: Any, store: Store
) -> None:
    before = planned()
    assert [one["found"] for one in before["store"].values()] == [0, 0, 0]
    run, built = new_run("run"), recipes()
    trainer_of(run, built, store).train()
    evaluate(Evaluation(run, run, built, store))
    gained = sum(entry.size for entry in entries(store))
    assert before["disk"]["store"] == within(0.02, gained)
    images = folder_bytes(run.path / "images")
    assert images < before["disk"]["pictures"] < 5 * images
    after = planned()
    assert [one["found"] for one in after["store"].values()] == [16, 4, 1]
    assert [one["total"] for one in after["store"].values()] == [16, 4, 1]
    assert after["disk"]["store"] == 0


@pytest.mark.parametrize(
    "overrides, views",
    [(["training.random_flip=true"], 2), (["training.center_crop=false"], 3)],
)
def test_pictures_seen_in_several_ways_need_more_room(
    planned: Any, new_run: Any, recipes: Any, store: Store, overrides: list[str], views: int
) -> None:
    overrides = [*overrides, "dataset.num_train=8", "training.max_train_steps=6"]
    said = planned(*overrides)["store"]["training pictures"]
    run = new_run("run", *overrides)
    trainer_of(run, recipes(*overrides), store).train()
    moments = [entry.size for entry in entries(store) if entry.kind == "moments"]
    assert said["gain"] == within(0.02, 8 * views * moments[0])
    assert sum(moments) - 4 * moments[0] <= said["gain"] * 1.02


def test_a_step_and_a_picture_are_measured(planned: Any, capfd: Any) -> None:
    overrides = ("training.max_train_steps=100", "training.validation_images_steps=null")
    measured = planned(*overrides, "training.validation_steps=null", measure=True)["measured"]
    assert 0 < measured["step"] < 60 and 0 < measured["picture"] < 60
    assert measured["peak"] > 1e8
    assert measured["training_seconds"] == pytest.approx(100 * measured["step"])
    assert measured["evaluation_seconds"] == pytest.approx(8 * measured["picture"])
    told = capfd.readouterr().out
    assert "measured on cpu: " in told and "on this machine" in told


def test_a_disk_that_is_too_small_is_refused(
    planned: Any, new_run: Any, recipes: Any, store: Store
) -> None:
    huge = (
        "training.checkpoints_total_limit=1000000000", "training.max_train_steps=1000000000",
        "training.checkpointing_steps=1", "training.validation_images_steps=null",
    )  # fmt: skip
    with pytest.raises(DiskError, match="lower training.checkpoints_total_limit or") as caught:
        planned(*huge)
    assert caught.value.exit_code == 74 and "\n" not in str(caught.value)
    run = new_run("real", *huge)
    with pytest.raises(DiskError, match=f"{run.path}: the run may need"):
        check_run_disk(run, set_up(run, recipes(*huge), store))
    run = new_run("small")
    check_run_disk(run, set_up(run, recipes(), store))


def test_run_and_store_share_a_disk_or_not(tmp_path: Path) -> None:
    needs = Needs(checkpoint=0, checkpoints=2, weights=1000, pictures=0, present=0)
    store, place = Store(tmp_path / "a" / "store"), tmp_path / "b" / "run"
    free = os.statvfs(tmp_path)
    free_bytes = free.f_bavail * free.f_frsize
    huge = replace(needs, weights=free_bytes * 3 // 4)
    check_disk(huge, place, store, 0)
    with pytest.raises(DiskError, match="together"):
        check_disk(huge, place, store, huge.weights)
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system only")
    check_disk(huge, place, Store(elsewhere), 1)
    with pytest.raises(DiskError, match=r"^/dev/shm: the store .* action=prune"):
        check_disk(huge, place, Store(elsewhere), 10**15)


def test_checkpoints_that_are_there_need_no_new_room(
    new_run: Any, recipes: Any, store: Store
) -> None:
    run = new_run("run")
    first = trainer_of(run, recipes(), store)
    setup = first.setup
    memory = memory_of(setup)
    before = needs_of(setup, setup.timetable, memory, 4, run.path)
    assert before.present == 0 and before.checkpoints == 3
    first.train()
    after = needs_of(setup, setup.timetable, memory, 4, run.path)
    assert after.present == folder_bytes(run.checkpoints)
    assert after.run == before.run - after.present


def test_a_large_data_set_is_sampled_evenly() -> None:
    assert _spread(list(range(100))) == list(range(100)) and _spread([]) == []
    chosen = _spread(list(range(10, 100_010)))
    assert len(chosen) == LOOKED_AT and len(set(chosen)) == LOOKED_AT
    assert np.diff(chosen).min() >= 195 and np.diff(chosen).max() <= 196

"""Our training loop against a bare PyTorch loop that does the same arithmetic.

    python scripts/bench_loop.py [finetune=unet ...]

Both train the embedded model on the same cached moments, in one process, turn and turn about, so
that a noisy machine slows both. The bare loop keeps all moments in memory, draws noise from one
generator, logs nothing and checks nothing.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from sdexp.engine.recorder import log_numbers
from sdexp.engine.train.batches import micro_batches
from sdexp.engine.train.items import Item
from sdexp.engine.train.setup import set_up
from sdexp.engine.train.update import Updater
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.model.base import Condition
from sdexp.objective.base import TrainingBatch
from sdexp.recipes import Recipes, build_recipes

PICTURES, ROUNDS, STEPS = 128, 12, 5
FIXED = [
    "tracker=none", "training.validation_steps=null", "training.validation_images_steps=null",
    "training.checkpointing_steps=null", f"dataset.num_train={PICTURES}", "dataset.num_val=2",
]  # fmt: skip


def our_loop(recipes: Recipes, folder: Path) -> Callable[[], None]:
    """One step of the trainer, with the store filled and the log written."""
    run = RunFolder(folder / "run")
    run.path.mkdir()
    setup = set_up(run, recipes, Store(folder / "store"))
    workers = recipes.hardware.dataloader_num_workers
    batches = micro_batches(setup.pictures, setup.timetable.order, range(10_000), 0, workers)
    updater = Updater(setup)

    def step() -> None:
        done = updater.update(batches)
        epoch = setup.timetable.epochs_after(setup.state.step)
        log_numbers(run, "train", done.values(), setup.state.step, epoch)

    return step


class DrawnBatch(TrainingBatch):
    """What the loss of the bare loop sees."""

    def __init__(self, latents: Tensor, condition: Condition, drawn: dict[str, Tensor]) -> None:
        self._latents = latents
        self._condition = condition
        self._drawn = drawn

    def draw(self, name: str, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        return self._drawn[name]

    def latents(self) -> Tensor:
        return self._latents

    def condition(self) -> Condition:
        return self._condition

    def image_features(self) -> Tensor:
        raise NotImplementedError


def bare_loop(recipes: Recipes, folder: Path) -> Callable[[], None]:
    """The same model, optimizer, batch and loss, and nothing else."""
    setup = set_up(RunFolder(folder / "bare"), recipes, Store(folder / "store"))
    model, objective = setup.model, recipes.objective
    parameters = setup.state.parameters
    optimizer = recipes.optimizer.build([{"params": parameters}], model.device)
    items = [setup.pictures[(0, index)] for index in range(PICTURES)]
    captions = [item.caption for item in items]
    framings = [item.view.framing for item in items]
    moments = setup.loss_of.moments(items)
    size, batches = recipes.training.train_batch_size, shuffled(PICTURES)
    limit = recipes.training.max_grad_norm

    def step() -> None:
        chosen = [next(batches) for _ in range(size)]
        picked = type(moments)(moments.mean[chosen], moments.logvar[chosen])
        draw, noise = torch.randn_like(picked.mean), torch.randn_like(picked.mean)
        t = torch.randint(1000, (size,))
        condition = model.encode_prompts(
            [captions[k] for k in chosen], [framings[k] for k in chosen]
        )
        drawn = {"noise": torch.stack([noise, noise], 1), "timestep": t}
        batch = DrawnBatch(model.latents(picked, draw), condition, drawn)
        objective(model, batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, limit)
        optimizer.step()
        optimizer.zero_grad()

    return step


def shuffled(count: int) -> Iterator[int]:
    while True:
        yield from torch.randperm(count).tolist()


def seconds(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - began) / STEPS


def fill_store(recipes: Recipes, folder: Path) -> None:
    """Every picture once, so that both loops find its moments."""
    setup = set_up(RunFolder(folder / "fill"), recipes, Store(folder / "store"))
    items: list[Item] = [setup.pictures[(0, index)] for index in range(PICTURES)]
    setup.loss_of.moments(items)


def main(overrides: list[str]) -> None:
    recipes = build_recipes(compose("train", [*FIXED, *overrides]).config)
    with tempfile.TemporaryDirectory() as folder:
        fill_store(recipes, Path(folder))
        loops = {"bare": bare_loop(recipes, Path(folder)), "ours": our_loop(recipes, Path(folder))}
        for loop in loops.values():
            # Past the first epoch: from then on no picture is decoded again.
            for _ in range(PICTURES // recipes.training.train_batch_size + 1):
                loop()
        times: dict[str, list[float]] = {name: [] for name in loops}
        for number in range(ROUNDS):
            for name in sorted(loops, reverse=bool(number % 2)):
                times[name].append(seconds(loops[name]))
    ratios = [ours / bare for ours, bare in zip(times["ours"], times["bare"], strict=True)]
    spread = statistics.quantiles(ratios, n=4)
    what = " ".join(overrides) or "default"
    bare, ours = (1000 * statistics.median(times[name]) for name in ("bare", "ours"))
    print(
        f"| {what} | {bare:.0f} ms | {ours:.0f} ms | {statistics.median(ratios):.3f} "
        f"({spread[0]:.3f} to {spread[2]:.3f}) |"
    )


if __name__ == "__main__":
    main(sys.argv[1:])

"""The words of a dry run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdexp.engine.plan.disk import (
    Needs,
    free_bytes,
    resolution_of,
    shared_disk,
    validation_pictures,
)
from sdexp.engine.plan.sizes import Length, Memory
from sdexp.engine.progress import say
from sdexp.engine.train.trainer import Trainer
from sdexp.ground.store import Store
from sdexp.ground.units import amount, duration

NAMES = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "ema": "moving average",
    "best": "best weights",
}


@dataclass(frozen=True)
class Known:
    """How many of `looked` entries the store holds, of `total` that the run will ask for.

    `gain`: bytes that the store may gain.
    """

    total: int
    looked: int
    found: int
    gain: int


@dataclass(frozen=True)
class Measured:
    """Seconds of one optimizer step and of one picture, and the most memory that they took."""

    step: float
    picture: float
    peak: int


def say_training(
    trainer: Trainer, length: Length, memory: Memory, facts: dict[str, Any], prompts: int
) -> None:
    """Parameters, memory, and what will be done how often."""
    training = trainer.training
    recipes = trainer.recipes
    trained = facts["trainable_parameters"]
    total = facts["total_parameters"]
    processes = recipes.hardware.num_processes
    say("dry run: nothing is trained, no run folder is made")
    say(f"parameters: {trained:,} train of {total:,} ({trained / total:.1%})")
    _say_memory(memory, processes)
    say(
        f"training: {length.steps} steps = {length.epochs:.1f} epochs of {length.samples} pictures "
        f"({length.steps_per_epoch} steps each), "
        f"{validation_pictures(trainer, length.steps)} pictures on the way"
    )
    say(
        f"effective batch: {length.samples_per_step} = {training.train_batch_size} x "
        f"{training.gradient_accumulation_steps} accumulated x {processes} process(es)"
    )
    say(
        f"learning rate: {recipes.scheduler.name}, at most {recipes.optimizer.lr:g}, "
        f"{recipes.scheduler.warmup(length.steps)} steps of warm-up"
    )
    _say_evaluation(prompts, recipes.evaluation.replicates, resolution_of(trainer))


def _say_memory(memory: Memory, processes: int) -> None:
    each = " in each process" if processes > 1 else ""
    parts = [f"{NAMES[name]} {amount(size)}" for name, size in asdict(memory).items() if size]
    say(f"memory{each}: {amount(memory.total)} ({', '.join(parts)}), and activations on top")


def _say_evaluation(prompts: int, replicates: int, resolution: int) -> None:
    if prompts:
        say(
            f"evaluation: {prompts} prompts x {replicates} replicates x 2 models = "
            f"{2 * prompts * replicates} pictures of {resolution}x{resolution}"
        )
    else:
        say("evaluation: none")


def say_disk(needs: Needs, place: Path, store: Store, known: dict[str, Known]) -> None:
    """What the store has, and what run folder and store will take."""
    for what, one in known.items():
        if one.total:
            of = f"{one.looked} looked at, of " if one.looked < one.total else ""
            say(f"store: has {one.found} of {of}{one.total} {what}")
    there = f", {amount(needs.present)} of them there" if needs.present else ""
    say(
        f"disk for the run: up to {amount(needs.run)} in {place} ({needs.checkpoints} checkpoints "
        f"of {amount(needs.checkpoint)}{there}, weights {amount(needs.weights)}, pictures "
        f"{amount(needs.pictures)}); {amount(free_bytes(place))} are free"
    )
    gain = sum(one.gain for one in known.values())
    shared = shared_disk(place, store)
    free = "on the same disk" if shared else f"{amount(free_bytes(store.root))} are free"
    say(f"disk for the store: up to {amount(gain)} more in {store.root}; {free}")


def say_measured(trainer: Trainer, measured: Measured, whole: dict[str, float]) -> None:
    """What one step and one picture took, and what follows for the whole."""
    say(
        f"measured on {trainer.model.device}: {measured.step:.3g} s per step, "
        f"{measured.picture:.3g} s per picture, {amount(measured.peak)} of memory at most"
    )
    training, evaluation = (duration(seconds) for seconds in whole.values())
    then = (
        f" and {evaluation} of pictures for the evaluation" if whole["evaluation_seconds"] else ""
    )
    say(f"about {training} of training{then} on this machine; loading and scoring come on top")

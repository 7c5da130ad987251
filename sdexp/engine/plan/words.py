"""The words of a dry run."""

from dataclasses import asdict
from pathlib import Path

from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.plan.disk import free_bytes, shared_disk, validation_pictures
from sdexp.engine.plan.plan import Measured, Plan
from sdexp.engine.plan.sizes import Memory
from sdexp.ground.progress import say
from sdexp.ground.store import Store
from sdexp.ground.units import amount, duration

NAMES = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "ema": "moving average",
    "best": "best weights",
    "packed": "packed convolutions",
}


def say_training(plan: Plan) -> None:
    """Parameters, memory, and what will be done how often."""
    recipes = plan.setup.recipes
    timetable = plan.timetable
    order = timetable.order
    trained = plan.trainable_parameters
    total = plan.total_parameters
    say("dry run: nothing is trained, no run folder is made")
    say(f"parameters: {trained:,} train of {total:,} ({trained / total:.1%})")
    _say_memory(plan.memory, order.processes)
    say(
        f"training: {timetable.total} steps = {timetable.epochs:.1f} epochs of {order.samples} "
        f"pictures ({order.steps_per_epoch} steps each), "
        f"{validation_pictures(plan.setup, timetable)} pictures on the way"
    )
    if timetable.scored:
        say(
            f"validation metrics: {', '.join(recipes.judging.metrics)}, {timetable.scored} times, "
            f"by {plan.scored_pictures} pictures"
        )
    say(
        f"effective batch: {order.samples_per_step} = {order.batch_size} x "
        f"{order.accumulation} accumulated x {order.processes} process(es)"
    )
    say(
        f"learning rate: {recipes.scheduler.name}, at most {recipes.optimizer.lr:g}, "
        f"{recipes.scheduler.warmup(timetable.total)} steps of warm-up"
    )
    _say_evaluation(plan.asked, timetable.resolution)


def _say_memory(memory: Memory, processes: int) -> None:
    each = " in each process" if processes > 1 else ""
    parts = [f"{NAMES[name]} {amount(size)}" for name, size in asdict(memory).items() if size]
    say(f"memory{each}: {amount(memory.total)} ({', '.join(parts)}), and activations on top")


def _say_evaluation(asked: list[Asked], resolution: int) -> None:
    if not asked:
        say("evaluation: none")
        return
    own, *guards = asked
    beside = "".join(f", {len(one.prompts)} {one.name} prompts" for one in guards)
    say(
        f"evaluation: {len(own.prompts)} prompts x {own.replicates} replicates{beside}, of 2 models"
        f" = {2 * sum(one.pictures for one in asked)} pictures of {resolution}x{resolution}"
    )


def say_disk(plan: Plan, place: Path, store: Store) -> None:
    """What the store has, and what run folder and store will take."""
    for what, one in plan.known.items():
        if one.total:
            of = f"{one.looked} looked at, of " if one.looked < one.total else ""
            say(f"store: has {one.found} of {of}{one.total} {what}")
    needs = plan.needs
    there = f", {amount(needs.present)} of them there" if needs.present else ""
    say(
        f"disk for the run: up to {amount(needs.run)} in {place} ({needs.checkpoints} checkpoints "
        f"of {amount(needs.checkpoint)}{there}, weights {amount(needs.weights)}, pictures "
        f"{amount(needs.pictures)}); {amount(free_bytes(place))} are free"
    )
    shared = shared_disk(place, store)
    free = "on the same disk" if shared else f"{amount(free_bytes(store.root))} are free"
    say(f"disk for the store: up to {amount(plan.store_gain)} more in {store.root}; {free}")


def say_measured(plan: Plan, measured: Measured) -> None:
    """What one step and one picture took, and what follows for the whole."""
    say(
        f"measured on {plan.setup.model.device}: {measured.step:.3g} s per step, "
        f"{measured.picture:.3g} s per picture, {amount(measured.peak)} of memory at most"
    )
    evaluation = plan.evaluation_seconds(measured)
    then = f" and {duration(evaluation)} of pictures for the evaluation" if evaluation else ""
    training = duration(plan.training_seconds(measured))
    scores = plan.scores_seconds(measured)
    share = f" ({duration(scores)} of it for validation metrics)" if scores else ""
    say(
        f"about {training} of training{share}{then} on this machine; loading and scoring come on "
        "top"
    )

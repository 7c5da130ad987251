"""What a run would need: before anything is trained or written."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sdexp.engine.evaluate.asked import Asked, everything_asked
from sdexp.engine.hardware import peak_memory_gb
from sdexp.engine.plan.disk import (
    Needs,
    check_disk,
    needs_of,
    validation_pictures,
)
from sdexp.engine.plan.known import (
    Known,
    original_pictures,
    training_moments,
    validation_moments,
)
from sdexp.engine.plan.sizes import Memory, memory_of
from sdexp.engine.prompts import draws_of
from sdexp.engine.train.batches import micro_batches
from sdexp.engine.train.setup import Setup, set_up
from sdexp.engine.train.timetable import Timetable
from sdexp.engine.train.update import Updater
from sdexp.engine.train.validation import evaluating
from sdexp.ground.records import PlanRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.recipes import Recipes

ORIGINAL = "batches of the original's pictures"
# A forward pass takes about a third of a step.
FORWARD_SHARE = 1 / 3


@dataclass(frozen=True)
class Measured:
    """Seconds of one optimizer step and of one picture, and the most memory that they took."""

    step: float
    picture: float
    peak: int


@dataclass(frozen=True)
class Plan:
    """What a run needs; `timetable` is that of all its processes, `known` what the store has.

    asked: what the evaluation asks for.
    """

    setup: Setup
    timetable: Timetable
    memory: Memory
    needs: Needs
    known: dict[str, Known]
    asked: list[Asked]

    @property
    def store_gain(self) -> int:
        """Bytes that the store may gain."""
        return sum(one.gain for one in self.known.values())

    @property
    def trainable_parameters(self) -> int:
        return sum(p.numel() for p in self.setup.state.parameters)

    @property
    def total_parameters(self) -> int:
        modules = self.setup.model.modules().values()
        return sum(p.numel() for module in modules for p in module.parameters())

    def training_seconds(self, measured: Measured) -> float:
        """How long training may take, with its looks."""
        training = self.setup.recipes.training
        data = self.setup.validation.data
        forward = measured.step * FORWARD_SHARE / self.timetable.order.samples_per_step
        checked = min(training.num_validation_samples, len(data)) if data is not None else 0
        return (
            self.timetable.total * measured.step
            + validation_pictures(self.setup, self.timetable) * measured.picture
            + self.scores_seconds(measured)
            + self.timetable.validations * checked * forward
        )

    @property
    def scored_pictures(self) -> int:
        """Pictures that are made during training for nothing but their scores."""
        asked = self.setup.scores.asked
        return self.timetable.scored * asked.pictures if asked else 0

    def scores_seconds(self, measured: Measured) -> float:
        """How long the pictures of validation metrics may take."""
        processes = self.setup.recipes.hardware.num_processes
        return self.scored_pictures * measured.picture / processes

    def evaluation_seconds(self, measured: Measured) -> float:
        """How long the evaluation's pictures may take."""
        recipes = self.setup.recipes
        sets = 1 + self.known[ORIGINAL].missing
        pictures = sum(one.pictures for one in self.asked) * sets
        return pictures * measured.picture / recipes.hardware.num_processes

    def record(self, measured: Measured | None) -> PlanRecord:
        """What is passed on."""
        seconds = None
        if measured is not None:
            seconds = self.training_seconds(measured) + self.evaluation_seconds(measured)
        return PlanRecord(self.timetable.total, self.needs.run, self.store_gain, seconds)


def make_plan(run: RunFolder, place: Path, recipes: Recipes, store: Store) -> Plan:
    """Find out what the run would need.

    `run` is a folder to throw away, `place` the run's own. Raises `DiskError` when a disk has too
    little room.
    """
    asked = everything_asked(run, recipes)
    setup = set_up(run, recipes, store)
    setup.model.recall(setup.identity.prints)
    order = replace(setup.timetable.order, processes=recipes.hardware.num_processes)
    timetable = replace(setup.timetable, order=order)
    memory = memory_of(setup)
    return Plan(
        setup=setup,
        timetable=timetable,
        memory=memory,
        needs=needs_of(setup, timetable, memory, asked, place),
        known={
            "training pictures": training_moments(setup, timetable),
            "validation pictures": validation_moments(setup, timetable),
            ORIGINAL: original_pictures(setup, timetable, store, asked),
        },
        asked=asked,
    )


def check_plan(plan: Plan, place: Path, store: Store) -> None:
    """Raise `DiskError` when a disk has too little room for it."""
    check_disk(plan.needs, place, store, plan.store_gain)


def measure(plan: Plan) -> Measured:
    """One step to warm up, one on the clock, then a picture; written nowhere."""
    setup = plan.setup
    if torch.device(setup.model.device).type == "cuda":
        # An attempt that did not fit left its own.
        torch.cuda.reset_peak_memory_stats(setup.model.device)
    workers = setup.recipes.hardware.dataloader_num_workers
    batches = micro_batches(setup.pictures, setup.timetable.order, range(2), 0, workers)
    updater = Updater(setup)
    updater.update(batches)
    step = updater.update(batches).seconds
    resolution = plan.timetable.resolution
    draws = draws_of([("plan", 0)], setup.model.latent_shape(resolution, resolution), 0)
    caption = setup.data.captions(0)[0]
    began = time.monotonic()
    with evaluating(setup.model), setup.accelerator.autocast():
        sampling = setup.recipes.evaluation.sampling(resolution)
        setup.model.generate([caption], draws, sampling)
    return Measured(step, time.monotonic() - began, _peak_bytes(setup.model.device))


def _peak_bytes(device: str) -> int:
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return round(peak_memory_gb() * 1e9)

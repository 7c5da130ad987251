"""What fits into memory, found by trying."""

import gc
from dataclasses import replace
from typing import TypeAlias

import torch

from sdexp.engine.hardware import is_out_of_memory
from sdexp.engine.plan.plan import Measured, Plan, measure
from sdexp.ground.batches import words_of
from sdexp.ground.progress import say

Batch: TypeAlias = tuple[int, int]


def measure_what_fits(plan: Plan, smaller: list[Batch]) -> tuple[Plan, Measured]:
    """The plan with the largest batch that fits, and its measures.

    smaller: batches (size, accumulation) that train the same, the largest first. Raises what told
    of the lack of memory where none of them fits.
    """
    training = plan.setup.recipes.training
    whole = (training.train_batch_size, training.gradient_accumulation_steps)
    *batches, last = [whole, *smaller]
    for batch in batches:
        tried = _with_batches(plan, *batch)
        measured = _measured(tried)
        if measured is not None:
            return _told(tried, batch, whole), measured
        say(f"does not fit into memory: {words_of(*batch)}")
    smallest = _with_batches(plan, *last)
    return _told(smallest, last, whole), measure(smallest)


def _with_batches(plan: Plan, size: int, accumulation: int) -> Plan:
    """The same networks with other micro-batches."""
    setup = plan.setup
    training = replace(
        setup.recipes.training, train_batch_size=size, gradient_accumulation_steps=accumulation
    )
    orders = [
        replace(timetable.order, batch_size=size, accumulation=accumulation)
        for timetable in (setup.timetable, plan.timetable)
    ]
    own, all_processes = (
        replace(plan.timetable, order=order, training=training) for order in orders
    )
    recipes = replace(setup.recipes, training=training)
    return replace(
        plan, setup=replace(setup, recipes=recipes, timetable=own), timetable=all_processes
    )


def _measured(plan: Plan) -> Measured | None:
    """None where memory ran out; what the attempt held is given back."""
    try:
        return measure(plan)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    plan.setup.state.optimizer.zero_grad()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def _told(plan: Plan, batch: Batch, whole: Batch) -> Plan:
    if batch != whole:
        say(f"fits, and trains the same: {words_of(*batch)}")
    return plan

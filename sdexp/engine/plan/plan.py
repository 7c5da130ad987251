"""What a run would need, in words: before anything is trained or written."""

import resource
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sdexp.engine.evaluate.pictures import PICTURES, PictureMaker
from sdexp.engine.plan.disk import (
    check_disk,
    chosen_prompts,
    looks,
    needs_of,
    picture_bytes,
    resolution_of,
    validation_pictures,
)
from sdexp.engine.plan.sizes import Length, length_of, memory_of
from sdexp.engine.plan.words import Known, Measured, say_disk, say_measured, say_training
from sdexp.engine.prompts import Prompt, noise_of, sampling_of
from sdexp.engine.recorder import Recorder
from sdexp.engine.train.batches import micro_batches
from sdexp.engine.train.items import Item
from sdexp.engine.train.trainer import Trainer
from sdexp.engine.train.validation import evaluating
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.recipes import Recipes

# As many pictures are read to learn how many the store knows.
LOOKED_AT = 512
# Checksum and header of an entry.
ENTRY_BYTES = 200
# A forward pass takes about a third of a step.
FORWARD_SHARE = 1 / 3


def plan(
    run: RunFolder, recipes: Recipes, store: Store, config: dict[str, Any], measure: bool
) -> dict[str, Any]:
    """Say what the run would need; `measure` also runs one step and one picture.

    `run` is a folder to throw away; the run's own place is `config["run_dir"]`. Raises `DiskError`
    when a disk has too little room.
    """
    prompts = chosen_prompts(recipes)
    trainer = Trainer(run, recipes, store, config)
    length = length_of(trainer, recipes)
    memory = memory_of(trainer)
    place = Path(config["run_dir"])
    needs = needs_of(trainer, length, memory, len(prompts), place)
    original = _original(trainer, store, prompts)
    known = {
        "training pictures": _training_moments(trainer, length),
        "validation pictures": _validation_moments(trainer),
        "batches of the original's pictures": original,
    }
    gain = sum(one.gain for one in known.values())
    facts = _parameters(trainer)
    say_training(trainer, length, memory, facts, len(prompts))
    say_disk(needs, place, store, known)
    check_disk(needs, place, store, gain)
    facts |= {
        "memory": asdict(memory) | {"total": memory.total},
        "disk": asdict(needs) | {"run": needs.run, "store": gain},
        "store": {what: asdict(one) for what, one in known.items()},
        "steps": length.steps,
        "epochs": length.epochs,
    }
    if measure:
        measured = _measure(trainer, recipes, config)
        pictures = len(prompts) * recipes.evaluation.replicates * (1 + _missing(original))
        whole = _whole(trainer, length, measured, pictures)
        say_measured(trainer, measured, whole)
        facts["measured"] = asdict(measured) | whole
    return facts


def _parameters(trainer: Trainer) -> dict[str, Any]:
    modules = trainer.model.modules().values()
    return {
        "trainable_parameters": sum(p.numel() for p in trainer.state.parameters),
        "total_parameters": sum(p.numel() for m in modules for p in m.parameters()),
    }


def _training_moments(trainer: Trainer, length: Length) -> Known:
    """The moments of the first epoch's pictures, and how many more later epochs may ask for."""
    looked = _spread(length.first_epoch)
    items = (trainer.pictures[(0, index)] for index in looked)
    epochs = -(-length.steps // length.steps_per_epoch)
    views = 1 + (trainer.training.random_flip and epochs > 1)
    if not trainer.training.center_crop:
        views = epochs
    return _known(trainer, items, len(looked), len(length.first_epoch), views)


def _validation_moments(trainer: Trainer) -> Known:
    validation = trainer.validation
    if validation.data is None or trainer.training.validation_steps is None:
        return Known(0, 0, 0, 0)
    total = min(trainer.training.num_validation_samples, len(validation.data))
    looked = _spread(list(range(total)))
    data = validation.data
    items = (validation._item(data, index) for index in looked)
    return _known(trainer, items, len(looked), total, 1)


def _known(trainer: Trainer, items: Any, looked: int, total: int, views: int) -> Known:
    """`views`: in how many ways a picture may be cropped and mirrored during the run."""
    if trainer.pictures.cache is None:
        return Known(0, 0, 0, 0)
    found = sum(_is_encoded(item) for item in items)
    channels, height, width = trainer.model.latent_shape(resolution_of(trainer))
    entry = 2 * 4 * channels * height * width + ENTRY_BYTES
    return Known(total, looked, found, round(total * (views - found / looked)) * entry)


def _is_encoded(item: Item) -> bool:
    return item.encoded is not None and item.encoded.moments is not None


def _spread(values: list[int]) -> list[int]:
    """At most `LOOKED_AT` of the values, evenly spaced."""
    count = min(LOOKED_AT, len(values))
    return [values[place * len(values) // count] for place in range(count)]


def _original(trainer: Trainer, store: Store, prompts: list[Prompt]) -> Known:
    """The batches of the original's evaluation pictures."""
    config = trainer.recipes.evaluation
    maker = PictureMaker(
        sampling_of(config, resolution_of(trainer)),
        config.replicates,
        config.batch_size,
        config.seed,
        store,
        trainer.accelerator,
    )
    keys = maker.keys(trainer.model, prompts)
    found = [store.holds(PICTURES, key) for key in keys]
    sizes = [config.batch_size] * len(keys)
    if keys:
        sizes[-1] = len(prompts) * config.replicates - config.batch_size * (len(keys) - 1)
    pictures = sum(size for size, there in zip(sizes, found, strict=True) if not there)
    gain = pictures * picture_bytes(trainer) + ENTRY_BYTES * found.count(False)
    return Known(len(keys), len(keys), sum(found), gain)


def _missing(known: Known) -> float:
    return 1 - known.found / known.looked if known.looked else 0.0


def _measure(trainer: Trainer, recipes: Recipes, config: dict[str, Any]) -> Measured:
    """One step to warm up, one on the clock, then a picture; written nowhere."""
    trainer.recorder = Recorder(trainer.run, recipes.trackers, config, "train", is_main=False)
    workers = recipes.hardware.dataloader_num_workers
    batches = micro_batches(trainer.pictures, trainer.order, range(2), 0, workers)
    for _ in range(2):
        began = time.monotonic()
        trainer._update(batches)
        step = time.monotonic() - began
    resolution = resolution_of(trainer)
    noise = noise_of([("plan", 0)], trainer.model.latent_shape(resolution), 0)
    caption = trainer.data.captions(0)[0]
    began = time.monotonic()
    with evaluating(trainer.model):
        trainer.model.generate([caption], noise, sampling_of(recipes.evaluation, resolution))
    return Measured(step, time.monotonic() - began, _peak_bytes(trainer.model.device))


def _whole(
    trainer: Trainer, length: Length, measured: Measured, pictures: float
) -> dict[str, float]:
    """Seconds that training and the evaluation's pictures may take."""
    training = trainer.training
    data = trainer.validation.data
    forward = measured.step * FORWARD_SHARE / trainer.order.samples_per_step
    checked = min(training.num_validation_samples, len(data)) if data is not None else 0
    return {
        "training_seconds": length.steps * measured.step
        + validation_pictures(trainer, length.steps) * measured.picture
        + looks(length.steps, training.validation_steps) * checked * forward,
        "evaluation_seconds": pictures * measured.picture / trainer.recipes.hardware.num_processes,
    }


def _peak_bytes(device: str) -> int:
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

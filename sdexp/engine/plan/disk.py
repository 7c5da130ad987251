"""Whether the disks have room for a run, asked before it begins."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sdexp.engine.plan.sizes import (
    Length,
    Memory,
    checkpoint_bytes,
    length_of,
    memory_of,
    weights_bytes,
)
from sdexp.engine.prompts import Prompt, choose_prompts, evaluation_data
from sdexp.engine.train.trainer import Trainer
from sdexp.ground.config import TrainingConfig
from sdexp.ground.errors import DiskError
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.ground.units import amount
from sdexp.recipes import Recipes


@dataclass(frozen=True)
class Needs:
    """Bytes on disk; `checkpoints` counts those that lie there at once, `present` is there."""

    checkpoint: int
    checkpoints: int
    weights: int
    pictures: int
    present: int

    @property
    def run(self) -> int:
        """What the run folder still gains."""
        growing = max(0, self.checkpoint * self.checkpoints - self.present)
        return growing + self.weights + self.pictures


def needs_of(trainer: Trainer, length: Length, memory: Memory, prompts: int, place: Path) -> Needs:
    """What a run in `place` writes; pictures at most as large as they are uncompressed."""
    present = RunFolder(place).checkpoints.rglob("*")
    return Needs(
        checkpoint=checkpoint_bytes(trainer, memory),
        checkpoints=_checkpoints(trainer.training, length.steps),
        weights=weights_bytes(trainer),
        pictures=_pictures(trainer, length, prompts) * picture_bytes(trainer),
        present=sum(file.stat().st_size for file in present if file.is_file()),
    )


def _checkpoints(training: TrainingConfig, steps: int) -> int:
    """At once: the kept ones, and the new one until it is verified."""
    every = training.checkpointing_steps
    made = 1 if every is None else -(-steps // every)
    return min(training.checkpoints_total_limit, made) + 1


def _pictures(trainer: Trainer, length: Length, prompts: int) -> int:
    # Reference, original, finetuned, and the finetuned again until all of them are made.
    made = prompts * (1 + 3 * trainer.recipes.evaluation.replicates)
    return made + validation_pictures(trainer, length.steps)


def validation_pictures(trainer: Trainer, steps: int) -> int:
    """Pictures made during training."""
    data = trainer.validation.data
    due = looks(steps, trainer.training.validation_images_steps)
    return 0 if data is None else due * min(trainer.training.num_validation_images, len(data))


def looks(steps: int, every: int | None) -> int:
    """How often something is due that happens at step 0, every so many steps and at the end."""
    return 0 if every is None else steps // every + 1 + bool(steps % every)


def resolution_of(trainer: Trainer) -> int:
    """Side of a picture in pixels."""
    return trainer.training.resolution or trainer.model.sample_size


def picture_bytes(trainer: Trainer) -> int:
    """Bytes of a picture without compression."""
    return 3 * resolution_of(trainer) ** 2


def check_trainer_disk(trainer: Trainer) -> None:
    """Raise `DiskError` when a training that is about to begin does not fit into its folder.

    What the store will gain is left out: that would take reading all pictures.
    """
    recipes = trainer.recipes
    place = trainer.run.path
    prompts = len(chosen_prompts(recipes))
    needs = needs_of(trainer, length_of(trainer, recipes), memory_of(trainer), prompts, place)
    _require(place, needs.run, "the run", _remedy(needs))


def chosen_prompts(recipes: Recipes) -> list[Prompt]:
    """The prompts of the evaluation; none without one."""
    if not recipes.evaluation.enabled:
        return []
    return choose_prompts(evaluation_data(recipes), recipes.evaluation.num_prompts)


def check_disk(needs: Needs, place: Path, store: Store, gain: int) -> None:
    """Raise `DiskError` when a run folder in `place` and the store's gain do not fit."""
    if shared_disk(place, store):
        both = f"the run and the store ({store.root}) together"
        _require(place, needs.run + gain, both, _remedy(needs))
        return
    _require(place, needs.run, "the run", _remedy(needs))
    prune = "prune it with python -m sdexp.store action=prune max_gb=N or set SDEXP_STORE"
    _require(store.root, gain, "the store", prune)


def _remedy(needs: Needs) -> str:
    fewer = "lower training.checkpoints_total_limit" if needs.checkpoints > 3 else "make room"
    return f"{fewer} or name a folder on another disk with run_dir"


def _require(place: Path, needed: int, what: str, remedy: str) -> None:
    free = free_bytes(place)
    if needed > free:
        raise DiskError(
            f"{place}: {what} may need {amount(needed)}, {amount(free)} are free; {remedy}"
        )


def shared_disk(place: Path, store: Store) -> bool:
    """Whether run folder and store fill the same file system."""
    return os.stat(_existing(place)).st_dev == os.stat(_existing(store.root)).st_dev


def free_bytes(path: Path) -> int:
    """What an ordinary user may still write where `path` lies or will lie."""
    return shutil.disk_usage(_existing(path)).free


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())

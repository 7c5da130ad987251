"""Whether the disks have room for a run, asked before it begins."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sdexp.engine.evaluate.asked import Asked, everything_asked
from sdexp.engine.plan.sizes import Memory, checkpoint_bytes, memory_of, weights_bytes
from sdexp.engine.train.setup import Setup
from sdexp.engine.train.timetable import Timetable
from sdexp.ground.errors import DiskError
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.ground.units import amount


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


def needs_of(
    setup: Setup, timetable: Timetable, memory: Memory, asked: list[Asked], place: Path
) -> Needs:
    """What a run in `place` writes; pictures at most as large as they are uncompressed."""
    present = RunFolder(place).checkpoints.rglob("*")
    # At once: the kept ones, and the new one until it is verified.
    kept = min(setup.recipes.training.checkpoints_total_limit, timetable.checkpoints)
    return Needs(
        checkpoint=checkpoint_bytes(setup, memory),
        checkpoints=kept + 1,
        weights=weights_bytes(setup),
        pictures=_pictures(setup, timetable, asked) * picture_bytes(timetable),
        present=sum(file.stat().st_size for file in present if file.is_file()),
    )


def _pictures(setup: Setup, timetable: Timetable, asked: list[Asked]) -> int:
    # Reference, original, finetuned, and the finetuned again until all of them are made.
    real = sum(len(one.prompts) for one in asked if not one.name)
    made = sum(3 * one.pictures for one in asked)
    return real + made + validation_pictures(setup, timetable)


def validation_pictures(setup: Setup, timetable: Timetable) -> int:
    """Pictures made during training."""
    data = setup.validation.data
    training = setup.recipes.training
    if data is None:
        return 0
    own = len(training.validation_prompts)
    return timetable.shown * (own or min(training.num_validation_images, len(data)))


def picture_bytes(timetable: Timetable) -> int:
    """Bytes of a picture without compression."""
    return 3 * timetable.resolution**2


def check_run_disk(run: RunFolder, setup: Setup) -> None:
    """Raise `DiskError` when a training that is about to begin does not fit into its folder.

    What the store will gain is left out: that would take reading all pictures.
    """
    asked = everything_asked(run, setup.recipes)
    needs = needs_of(setup, setup.timetable, memory_of(setup), asked, run.path)
    _require(run.path, needs.run, "the run", _remedy(needs))


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

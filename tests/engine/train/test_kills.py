"""Killed at any moment and started again, a run ends in the same bytes."""

import hashlib
import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sdexp.engine.train.checkpoint import read_checkpoint, settle
from sdexp.ground.build import Config, write_config
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from tests import forks
from tests.records import logged

STEPS, SAVES = 12, 5
COMMON = [
    "debug=fast", "tracker=none", "dataset.num_train=20", "dataset.num_val=2",
    f"training.max_train_steps={STEPS}", "training.checkpointing_steps=3",
    "training.train_batch_size=1", "training.validation_images_steps=null",
    "training.validation_steps=5", "training.num_validation_samples=2",
]  # fmt: skip
LORA = ["finetune=lora", "finetune.rank=2", "finetune.components=[unet]",
        "finetune.target_modules=[to_q,to_v]"]  # fmt: skip
UNET = ["finetune=unet"]
EMA, THREE, WORKERS = (
    "training.use_ema=true",
    "training.gradient_accumulation_steps=3",
    "hardware.dataloader_num_workers=2",
)
# Every pair of {LoRA, U-Net} x EMA x accumulation x workers stands in some row.
ROWS = {
    "lora": [*LORA],
    "lora-ema-three-workers": [*LORA, EMA, THREE, WORKERS],
    "lora-three": [*LORA, THREE],
    "lora-ema-workers": [*LORA, EMA, WORKERS],
    "unet-ema": [*UNET, EMA],
    "unet-three-workers": [*UNET, THREE, WORKERS],
    "unet-ema-three": [*UNET, EMA, THREE],
    "unet-workers": [*UNET, WORKERS],
}
KILLS_PER_ROW = 7


class Runs:
    """Runs of one configuration, and the bytes of the one that nobody touched."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self.config = folder, config
        self.store = folder / "store"
        self.whole = self.new("whole")
        assert self.train(self.whole) == 0
        self.expected = result(self.whole)

    def new(self, name: str) -> RunFolder:
        run = RunFolder(self.folder / name)
        run.path.mkdir(parents=True)
        write_config(run.config, self.config)
        run.write_record(RunRecord())
        return run

    def train(self, run: RunFolder, *kill: object) -> int:
        """Exit code of a child that trains, perhaps killed at a write point."""
        child = forks.start(forks.train, run.path, self.store, *kill)
        child.join()
        assert child.exitcode is not None
        return child.exitcode

    def kill_somewhere(self, run: RunFolder, rng: random.Random) -> int:
        """Exit code of a child that is killed a random while after a random step."""
        last = max([0, *(row["step"] for row in logged(run.log))])
        target = rng.randint(min(last, STEPS - 1), STEPS - 1)
        child = forks.start(forks.train, run.path, self.store)
        while child.exitcode is None and last_step(run) < target:
            time.sleep(0.002)
        child.join(rng.uniform(0.0, 0.1) + (target == 0) * rng.uniform(0.0, 1.0))
        child.kill()
        child.join()
        assert child.exitcode is not None
        return child.exitcode

    def finish_and_compare(self, run: RunFolder) -> None:
        assert self.train(run) == 0
        assert result(run) == self.expected
        rows = [(row["split"], row["name"], row["step"]) for row in logged(run.log)]
        assert len(rows) == len(set(rows))
        losses = [step for split, name, step in rows if (split, name) == ("train", "loss")]
        assert losses == list(range(1, STEPS + 1))
        checks = [step for split, _, step in rows if split == "validation"]
        assert checks == [0, 5, 10, 12]


def last_step(run: RunFolder) -> int:
    """The last step whose line is whole."""
    lines = run.log.read_bytes().split(b"\n")[:-1] if run.log.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else -1


def result(run: RunFolder) -> dict[str, str]:
    """sha256 of the weights and of the last checkpoint: raw weights, average, optimizer."""
    files = [*run.weights.rglob("*"), *(run.checkpoints / f"{STEPS:06d}").iterdir()]
    return {
        str(file.relative_to(run.path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Callable[[str], Runs]:
    """One row's runs, made when they are first asked for."""
    from sdexp.launch.compose import compose

    made: dict[str, Runs] = {}
    # The first child waits for the server's imports.
    forks.start(print, "ready").join()

    def of(row: str) -> Runs:
        if row not in made:
            config = compose("train", [*COMMON, tiny, *ROWS[row]]).config
            made[row] = Runs(tmp_path_factory.mktemp(row), config)
        return made[row]

    return of


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_random_kills_change_no_byte(runs: Callable[[str], Runs], row: str) -> None:
    mine, rng = runs(row), random.Random(row)
    kills = 0
    for attempt in range(30):
        run = mine.new(f"killed-{attempt}")
        while kills < KILLS_PER_ROW:
            code = mine.kill_somewhere(run, rng)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
        mine.finish_and_compare(run)
        if kills == KILLS_PER_ROW:
            return
    pytest.fail("the runs end before they can be killed")


@pytest.mark.slow
def test_a_kill_at_every_write_point_changes_no_byte(runs: Callable[[str], Runs]) -> None:
    """The third checkpoint writes, renames, verifies and removes an older one."""
    rows = list(ROWS)
    for point in range(1, 1000):
        mine = runs(rows[point % len(rows)])
        run = mine.new(f"point-{point}")
        code = mine.train(run, point, 9)
        if code == 0:
            assert point > 20
            return
        assert code == -signal.SIGKILL
        mine.finish_and_compare(run)


@pytest.mark.slow
def test_a_kill_at_every_write_of_the_weights_changes_no_byte(
    runs: Callable[[str], Runs],
) -> None:
    mine = runs("unet-workers")
    for point in range(1, 1000):
        run = mine.new(f"weights-{point}")
        code = mine.train(run, point, 0)
        if code == 0:
            assert point > 5
            return
        assert code == -signal.SIGKILL
        mine.finish_and_compare(run)


def test_once_a_checkpoint_is_written_a_good_one_is_always_there(tmp_path: Path) -> None:
    """Three saves, killed at each of their write points."""
    good = 0
    for point in range(1, 1000):
        folder = tmp_path / str(point)
        folder.mkdir()
        child = forks.start(forks.save_three, folder, point)
        child.join()
        step, damaged = settle(folder)
        assert damaged == [] and (step or 0) >= good, "a checkpoint that was there is lost"
        good = step or 0
        if step is not None:
            assert read_checkpoint(folder, step).values == {"step": step}
        if child.exitcode == 0:
            assert point > 60 and step == 3
            return

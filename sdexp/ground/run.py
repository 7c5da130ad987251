"""The run folder: every file name once, and who works in it."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sdexp.ground.errors import ConfigError
from sdexp.ground.files import HALF_WRITTEN, disk_faults, make_folder
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import RunRecord

# As long as the worker of a killed command may need to end.
LOCK_SECONDS = 5.0
MODELS = ("original", "finetuned")
# What is asked beside an evaluation's own prompts: about anything else, and what was trained on.
GUARDS = ("general", "train")
# The record of a sweep, in the folder that holds its runs.
SWEEP_RECORD = "sweep.json"


@dataclass(frozen=True)
class EvaluationFolder:
    """Paths of one evaluation: the run folder itself, or a folder below its `evaluations/`."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def scores(self) -> Path:
        return self.path / "scores.json"

    def findings(self, split: str) -> Path:
        """What was dropped and repaired of a split."""
        return self.path / "data" / f"{split}.csv"

    @property
    def per_image(self) -> Path:
        return self.path / "per_image.parquet"

    @property
    def per_prompt(self) -> Path:
        return self.path / "per_prompt.parquet"

    @property
    def batches(self) -> Path:
        """Which of its finetuned pictures were made together, by what."""
        return self.path / "batches.json"

    def images(self, model: str) -> Path:
        """`model`: original, finetuned, or reference; of a guard with its name before that."""
        return self.path / "images" / model

    @property
    def evaluation_record(self) -> Path:
        """Where it comes from; the run's own has run.json instead."""
        return self.path / "evaluation.json"

    @property
    def partial(self) -> Path:
        """Pictures of the finetuned model until its evaluation is whole."""
        return self.path / "partial"

    @property
    def report_html(self) -> Path:
        return self.path / "report.html"

    @property
    def report_md(self) -> Path:
        return self.path / "report.md"


@dataclass(frozen=True)
class RunFolder(EvaluationFolder):
    """Paths inside one run folder, which holds the run's own evaluation."""

    @property
    def evaluations(self) -> Path:
        """Every evaluation but the run's own, each whole in a folder."""
        return self.path / "evaluations"

    def evaluation(self, name: str) -> EvaluationFolder:
        """An evaluation by the name of its folder; "" is the run's own."""
        return EvaluationFolder(self.evaluations / name) if name else self

    @property
    def generated(self) -> Path:
        """What `sdexp.generate` was asked for, a folder for each request."""
        return self.path / "generate"

    def weights_at(self, step: int) -> Path:
        """What diffusers loads of an earlier step, made of its checkpoint when it is asked for."""
        return self.path / "export" / f"checkpoint-{step:06d}"

    def served(self, step: int | None) -> Path:
        """The weights of a step; None for the final ones."""
        return self.weights if step is None else self.weights_at(step)

    def export(self, form: str) -> Path:
        """The weights in the form that another tool reads."""
        return self.path / "export" / form

    def half_export(self, form: str) -> Path:
        """The same until it is whole."""
        return self.path / "export" / f"{HALF_WRITTEN}{form}"

    @property
    def pending_config(self) -> Path:
        """The configuration of a command that goes on with the run, until it is checked."""
        return self.path / ".pending.yaml"

    @property
    def pending_record(self) -> Path:
        """The record that comes with it."""
        return self.path / ".pending.json"

    @property
    def plan(self) -> Path:
        """What a dry run found, in its own folder."""
        return self.path / "plan.json"

    @property
    def audit(self) -> Path:
        """What was found of a data set, in a folder of its own."""
        return self.path / "audit.json"

    @property
    def audit_page(self) -> Path:
        return self.path / "audit.html"

    @property
    def request(self) -> Path:
        """What `sdexp.prepare` was asked for."""
        return self.path / "request.json"

    @property
    def outcome(self) -> Path:
        """How the stages of the command at work ended."""
        return self.path / ".outcome.json"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    @property
    def splits(self) -> Path:
        """Which picture belongs to which split."""
        return self.path / "data" / "splits.json"

    @property
    def validation(self) -> Path:
        """Validation pictures: `<step>/<k>.png`, step 000000 first."""
        return self.path / "images" / "validation"

    @property
    def votes(self) -> Path:
        """What people chose who did not know whose pictures they saw."""
        return self.path / "votes.jsonl"

    @property
    def wandb(self) -> Path:
        return self.path / "wandb"

    @property
    def output(self) -> Path:
        """What a job of a sweep printed."""
        return self.path / "output.log"

    @property
    def stacks(self) -> Path:
        """Stacks of processes that died or were ended: `rank<k>.txt`."""
        return self.path / "stacks"

    @property
    def tensorboard(self) -> Path:
        """Event files, a folder for each job type."""
        return self.path / "tensorboard"

    @property
    def told(self) -> Path:
        """What a sweep tells its trackers; a run tells them all that it writes."""
        return self.path / ".told.json"

    def read_record(self) -> RunRecord:
        """Raises `DataError` where run.json is missing, damaged or of another format."""
        return read_record(self.record, RunRecord)

    def write_record(self, record: RunRecord) -> None:
        write_record(self.record, record)

    def change_record(self, **values: Any) -> RunRecord:
        """Put other values into run.json; returns the whole record."""
        record = replace(self.read_record(), **values)
        self.write_record(record)
        return record

    def holds_other_files(self) -> bool:
        """Whether there is more in the folder than a command killed at its start leaves."""
        if not self.path.is_dir():
            return False
        names = {path.name for path in self.path.iterdir()} - {".lock", self.record.name}
        return any(not name.startswith(HALF_WRITTEN) for name in names)

    @contextmanager
    def lock(self) -> Iterator[int]:
        """Hold the folder while a command works in it; gives the handle that holds it.

        Who inherits the handle holds the folder too, so that a worker which outlives its command
        for a moment is waited for. Raises `ConfigError` when another command stays in it.
        """
        with disk_faults(self.path):
            handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _flock(handle)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"pid {os.getpid()}".encode(), 0)
            yield handle
        except BlockingIOError:
            owner = os.pread(handle, 100, 0).decode()
            raise ConfigError(
                f"run_dir={self.path}: another command ({owner}) works in this folder; "
                "wait for it or choose another run_dir"
            ) from None
        finally:
            os.close(handle)


def _flock(handle: int) -> None:
    """Lock, or raise `BlockingIOError` when another holds it for longer than `LOCK_SECONDS`."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def saved_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir()]
    return sorted(int(name) for name in names if name.isdecimal() and f"{int(name):06d}" == name)


def new_run_folder(root: Path, name: str) -> RunFolder:
    """Make `<root>/<day>/<time>_<name>_<random>`, a folder that nobody else has."""
    now = datetime.now()
    return RunFolder(new_folder(root / now.strftime("%Y-%m-%d"), f"{now:%H-%M-%S}_{name}"))


def new_folder(parent: Path, name: str) -> Path:
    """Make `<parent>/<name>_<random>`, a folder that nobody else has."""
    path = parent / f"{name}_{secrets.token_hex(2)}"
    make_folder(path, exist_ok=False)
    return path

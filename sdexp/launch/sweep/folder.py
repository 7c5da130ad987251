"""A sweep's folder and its record, `sweep.json`."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sdexp.ground.errors import ConfigError
from sdexp.ground.files import make_folder, named_path
from sdexp.ground.pending import now
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import RunRecord, Status, SweepJob, SweepRecord
from sdexp.ground.run import SWEEP_RECORD, RunFolder, new_folder
from sdexp.launch.compose import Composed
from sdexp.launch.freeze import changes, check_resumable, freeze, is_complete
from sdexp.launch.sweep.grid import GridJob

MULTIRUN = Path("multirun")


def sweep_folder(run_dir: str | None) -> Path:
    """A new folder below multirun/, or the one that the person named."""
    if run_dir is None:
        return new_folder(MULTIRUN, datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    path = named_path("run_dir", run_dir)
    is_other = path.is_file() or (path.is_dir() and any(path.iterdir()))
    if is_other and not (path / SWEEP_RECORD).is_file():
        raise ConfigError(f"run_dir={path}: holds files but no sweep; name a new or empty folder")
    return path


def numbered(path: Path, jobs: list[GridJob]) -> list[GridJob]:
    """Jobs that the folder has keep their numbers, others get new ones.

    Raises `ConfigError` when the folder has jobs that are not asked for.
    """
    file = path / SWEEP_RECORD
    old = read_record(file, SweepRecord).jobs if file.is_file() else []
    numbers = {tuple(job.overrides): job.number for job in old}
    asked = {tuple(job.overrides) for job in jobs}
    left_out = [overrides for overrides in numbers if overrides not in asked]
    if left_out:
        raise ConfigError(
            f"run_dir={path}: holds a sweep of other jobs (also {' '.join(left_out[0])}); values "
            "may be added to it, or name a new folder"
        )
    for job in jobs:
        numbers.setdefault(tuple(job.overrides), len(numbers))
    found = [replace(job, number=numbers[tuple(job.overrides)]) for job in jobs]
    return sorted(found, key=lambda job: job.number)


class SweepFolder:
    """The folder while its sweep is at work."""

    def __init__(self, path: Path, jobs: list[GridJob], command: str) -> None:
        self.path = path
        entries = [SweepJob(job.number, job.overrides) for job in jobs]
        self.record = SweepRecord(command, "running", now(), entries)

    def job(self, number: int) -> RunFolder:
        return RunFolder(self.path / str(number))

    def freeze(self, jobs: list[GridJob], fixed: list[str]) -> list[GridJob]:
        """Write every configuration before the first job starts; returns the jobs to do.

        Raises `ConfigError`, before anything is written, when a job's folder holds another run.
        """
        waiting = [job for job in jobs if not self._is_done(job)]
        for job in jobs:
            if job not in waiting:
                self.note(job.number, self.job(job.number).read_record())
        self._write()
        for job in waiting:
            self._freeze_job(job, fixed)
        return waiting

    def _is_done(self, job: GridJob) -> bool:
        run = self.job(job.number)
        if not run.config.is_file():
            return False
        if is_complete(run) and not changes(run, job.composed.config):
            return True
        check_resumable(run, job.composed.config)
        return False

    def _freeze_job(self, job: GridJob, fixed: list[str]) -> None:
        run = self.job(job.number)
        config = job.composed.config
        config.run_dir = str(run.path)
        config.sweep.params = {}
        for tracker in config.tracker.values():
            if "group" in tracker and tracker.group is None:
                tracker.group = self.path.name
                tracker.name = " ".join(job.overrides)
        make_folder(run.path)
        words = [o for o in fixed if re.split("[.=]", o)[0] not in ("run_dir", "sweep")]
        command = shlex.join(["python", "-m", "sdexp.train", *words, *job.overrides])
        composed = Composed(config, job.composed.choices)
        freeze(run, composed, command, "waiting", job.recipes.warnings())

    def entry(self, number: int) -> SweepJob:
        return next(job for job in self.record.jobs if job.number == number)

    def state(self, number: int, status: Status, reason: str | None = None) -> None:
        """Note what a job is at, or why it failed before it changed its run."""
        self._put(replace(self.entry(number), status=status, reason=reason))

    def note(self, number: int, run: RunRecord) -> None:
        """Take a job's state over from its run."""
        self._put(
            replace(
                self.entry(number),
                status=run.status,
                exit_code=run.exit_code,
                reason=run.reason,
                seconds=run.command_seconds,
            )
        )

    def _put(self, entry: SweepJob) -> None:
        jobs = [entry if job.number == entry.number else job for job in self.record.jobs]
        self.record = replace(self.record, jobs=jobs)
        self._write()

    def _write(self) -> None:
        write_record(self.path / SWEEP_RECORD, self.record)

    def unfinished(self) -> Iterable[SweepJob]:
        """Jobs without a result."""
        return [job for job in self.record.jobs if job.status != "finished"]

    def end(self, stopped: bool) -> None:
        """Note how the whole sweep ended."""
        status: Status = "failed" if self.unfinished() else "finished"
        self.record = replace(self.record, status="interrupted" if stopped else status, ended=now())
        self._write()

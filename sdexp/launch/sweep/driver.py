"""Many runs: all composed and checked first, each a fresh child, none harmed by another."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sdexp.ground.build import plain, typed
from sdexp.ground.config import SweepConfig
from sdexp.ground.errors import ConfigError
from sdexp.ground.interrupt import Received, counting
from sdexp.ground.run import (
    FOLLOW_DOOR,
    SWEEP_RECORD,
    RunFolder,
    disk_faults,
    new_folder,
    write_text,
)
from sdexp.launch.compose import Composed
from sdexp.launch.dry_run import dry_run, wants_dry_run
from sdexp.launch.freeze import check_resumable, differences, freeze
from sdexp.launch.job import INTERNAL
from sdexp.launch.processes import GRACE_SECONDS, POLL_SECONDS
from sdexp.launch.sweep.grid import Grid, Job, composed_jobs, read_grid
from sdexp.launch.sweep.slots import Slot, slots_of
from sdexp.recipes import build_recipes
from sdexp.tracker.background import tracked

MULTIRUN = Path("multirun")
JOB = "sdexp.launch.job"
# A job that is asked to end asks its own workers first.
JOB_GRACE_SECONDS = GRACE_SECONDS + 1.0


def sweep(overrides: list[str]) -> int:
    """Carry out every job of a command line; 0 when all of them finished."""
    grid = read_grid(overrides)
    jobs = composed_jobs(grid)
    config = jobs[0].composed.config
    if wants_dry_run(config):
        return _dry_runs(jobs)
    settings = typed("sweep", SweepConfig, config.sweep)
    slots = slots_of(settings.jobs, [job.recipes.hardware for job in jobs])
    folder = SweepFolder(_folder(config.run_dir, grid))
    with RunFolder(folder.path).lock():
        print(f"sweep folder: {folder.path} ({len(jobs)} jobs)", flush=True)
        waiting = folder.freeze(jobs, " ".join(["python -m sdexp.train -m", *overrides]), grid)
        driver = Driver(folder, waiting, slots, settings.job_timeout)
        with counting() as received:
            driver.run(received)
        return folder.close(received.first, config)


def _dry_runs(jobs: list[Job]) -> int:
    codes = []
    for job in jobs:
        print(f"job {job.number}: {' '.join(job.overrides)}", flush=True)
        codes.append(dry_run(job.composed.config))
    return max(codes)


def _folder(run_dir: str | None, grid: Grid) -> Path:
    """A new folder below multirun/, or the one of the same sweep."""
    if run_dir is None:
        return new_folder(MULTIRUN, datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    path = Path(run_dir)
    record = path / SWEEP_RECORD
    if record.is_file():
        old = [job["overrides"] for job in json.loads(record.read_text())["jobs"]]
        if old != grid.combinations():
            raise ConfigError(f"run_dir={path}: holds a sweep of other jobs; name a new folder")
    elif path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise ConfigError(f"run_dir={path}: holds files but no sweep; name a new or empty folder")
    with disk_faults(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


class SweepFolder:
    """A sweep's folder and its record, `sweep.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record: dict[str, Any] = {}

    def job(self, number: int) -> RunFolder:
        return RunFolder(self.path / str(number))

    def freeze(self, jobs: list[Job], command: str, grid: Grid) -> list[Job]:
        """Write every configuration before the first job starts; returns the jobs to do.

        Raises `ConfigError`, before anything is written, when a job's folder holds another run.
        """
        waiting = [job for job in jobs if not self._is_done(job)]
        started = datetime.now(UTC).isoformat(timespec="seconds")
        entries = [
            {"number": job.number, "overrides": job.overrides} | _state(self.job(job.number))
            for job in jobs
        ]
        self.record = {"command": command, "started": started, "jobs": entries}
        self.update(status="running", ended=None)
        for job in waiting:
            self._freeze_job(job, grid)
            self.note(job)
        return waiting

    def _is_done(self, job: Job) -> bool:
        run = self.job(job.number)
        config = job.composed.config
        if not run.config.is_file():
            return False
        if run.read_record()["status"] == "finished" and not differences(run, config):
            return True
        check_resumable(run, config)
        return False

    def _freeze_job(self, job: Job, grid: Grid) -> None:
        run = self.job(job.number)
        config = job.composed.config
        config.run_dir = str(run.path)
        config.sweep.params = {}
        for tracker in config.tracker.values():
            if "group" in tracker and tracker.group is None:
                tracker.group = self.path.name
                tracker.name = " ".join(job.overrides)
        with disk_faults(run.path):
            run.path.mkdir(exist_ok=True)
        words = [o for o in grid.fixed if re.split("[.=]", o)[0] not in ("run_dir", "sweep")]
        command = " ".join(["python -m sdexp.train", *words, *job.overrides])
        freeze(run, Composed(config, job.composed.choices), command, "waiting")

    def update(self, **values: Any) -> None:
        """Merge values into sweep.json."""
        self.record |= values
        write_text(self.path / SWEEP_RECORD, json.dumps(self.record, indent=2) + "\n")

    def note(self, job: Job) -> dict[str, Any]:
        """Take a job's state over from its run folder."""
        entry: dict[str, Any] = self.record["jobs"][job.number]
        entry |= _state(self.job(job.number))
        self.update()
        return entry

    def close(self, stopped_by: int | None, config: DictConfig) -> int:
        """Write the page; the exit code of the sweep."""
        bad = [job for job in self.record["jobs"] if job["status"] != "finished"]
        status = "interrupted" if stopped_by else "failed" if bad else "finished"
        self.update(status=status, ended=datetime.now(UTC).isoformat(timespec="seconds"))
        if stopped_by:
            print(f"stopped; the same command with run_dir={self.path} goes on", flush=True)
            return 128 + stopped_by
        self._tell(config)
        print(f"report: {self.path / 'report.html'}", flush=True)
        for job in bad:
            print(f"job {job['number']} failed: {job['reason']}", flush=True)
        return 1 if bad else 0

    def _tell(self, config: DictConfig) -> None:
        """The page, and a run of the trackers that holds its table."""
        from sdexp.pages.sweep.facts import read_sweep
        from sdexp.pages.sweep.page import write_sweep_report
        from sdexp.pages.sweep.table import runs_table

        write_sweep_report(self.path)
        for tracker in config.tracker.values():
            if "group" in tracker:
                tracker.group = self.path.name
                tracker.name = self.path.name
        trackers = build_recipes(config).trackers
        with tracked(trackers, RunFolder(self.path), plain(config), "sweep") as active:
            active.log_table("runs", *runs_table(read_sweep(self.path)))


def _state(run: RunFolder) -> dict[str, Any]:
    waiting = {"status": "waiting", "exit_code": None, "reason": None}
    record = run.read_record() if run.record.is_file() else waiting
    seconds = record["command_seconds"] if "command_seconds" in record else None
    kept = {key: record[key] for key in ("status", "exit_code", "reason")}
    return kept | {"seconds": seconds}


@dataclass
class Running:
    """A job at work; `kill_at` is when its patience ends, once it was asked to end."""

    job: Job
    child: subprocess.Popen[bytes]
    slot: Slot
    began: float
    kill_at: float | None = None


class Driver:
    """Starts jobs as slots become free and watches over them."""

    def __init__(
        self, folder: SweepFolder, jobs: list[Job], slots: list[Slot], timeout: float | None
    ) -> None:
        self.folder = folder
        self.timeout = timeout
        self.waiting = deque(jobs)
        self.free = list(slots)
        self.running: list[Running] = []
        self.forwarded = 0

    def run(self, received: Received) -> None:
        """Until nothing is left to do, or a signal has ended what was at work."""
        while self.running or (self.waiting and received.first is None):
            while self.free and self.waiting and received.first is None:
                self._start(self.waiting.popleft(), self.free.pop(0))
            time.sleep(POLL_SECONDS)
            if received.first is not None and received.count > self.forwarded:
                self._forward(received)
            for running in list(self.running):
                self._look_after(running)

    def _start(self, job: Job, slot: Slot) -> None:
        run = self.folder.job(job.number)
        run.update_record(status="running")
        self.folder.note(job)
        print(f"job {job.number} starts: {' '.join(job.overrides)}", flush=True)
        with disk_faults(run.output), run.output.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", JOB, str(run.path)],
                env=os.environ | slot.variables | {FOLLOW_DOOR: "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(Running(job, child, slot, time.monotonic()))

    def _forward(self, received: Received) -> None:
        assert received.first is not None
        self.forwarded = received.count
        for running in self.running:
            running.child.send_signal(received.first if received.count == 1 else signal.SIGKILL)
            running.kill_at = time.monotonic() + JOB_GRACE_SECONDS

    def _look_after(self, running: Running) -> None:
        now = time.monotonic()
        if running.child.poll() is not None:
            return self._end(running)
        if running.kill_at is not None and now > running.kill_at:
            running.child.kill()
        late = self.timeout is not None and now - running.began > self.timeout
        if late and running.kill_at is None:
            running.child.send_signal(signal.SIGTERM)
            running.kill_at = now + JOB_GRACE_SECONDS

    def _end(self, running: Running) -> None:
        self.running.remove(running)
        self.free.append(running.slot)
        if running.child.stdin is not None:
            running.child.stdin.close()
        run = self.folder.job(running.job.number)
        self._settle(run, running)
        entry = self.folder.note(running.job)
        told = "finished" if entry["status"] == "finished" else f"failed: {entry['reason']}"
        seconds = time.monotonic() - running.began
        print(f"job {running.job.number} {told} ({seconds:.0f} s)", flush=True)

    def _settle(self, run: RunFolder, running: Running) -> None:
        """Note what a job could not say itself."""
        if running.kill_at is not None and self.forwarded == 0:
            reason = f"did not end within sweep.job_timeout={self.timeout}; raise it"
            run.update_record(status="failed", exit_code=INTERNAL, reason=reason)
        elif run.read_record()["status"] == "running":
            code = running.child.returncode
            told = self._last_error(run) or f"the job died with code {code}"
            run.update_record(
                status="failed", exit_code=code if code > 0 else INTERNAL, reason=told
            )

    def _last_error(self, run: RunFolder) -> str:
        lines = run.output.read_text(errors="replace").splitlines()
        told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return told[-1] if told else ""

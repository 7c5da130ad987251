"""Starts the jobs of a sweep as places become free, and watches over them."""

import time
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO

from sdexp.ground.files import disk_faults
from sdexp.ground.interrupt import Received
from sdexp.ground.pending import drop
from sdexp.ground.records import Outcome
from sdexp.ground.run import RunFolder
from sdexp.ground.units import duration
from sdexp.launch.job import INTERNAL, status_of
from sdexp.launch.processes import (
    GRACE_SECONDS,
    POLL_SECONDS,
    Child,
    Watch,
    allocation,
    start,
)
from sdexp.launch.sweep.folder import SweepFolder
from sdexp.launch.sweep.grid import GridJob
from sdexp.launch.sweep.slots import Slot
from sdexp.launch.warm import start_from_server, start_server

JOB = "sdexp.launch.job"
# A job that is asked to end asks its own workers first.
JOB_GRACE_SECONDS = GRACE_SECONDS + 1.0


@dataclass(frozen=True)
class Running:
    """A job at work."""

    job: GridJob
    watch: Watch
    slot: Slot


class Driver:
    """No job harms another: each is a process of its own, and a fork where `is_warm`."""

    def __init__(
        self,
        folder: SweepFolder,
        jobs: list[GridJob],
        slots: list[Slot],
        timeout: float | None,
        is_warm: bool,
    ) -> None:
        self.folder = folder
        self.timeout = timeout
        self.is_warm = is_warm
        self.waiting = deque(jobs)
        self.total = len(jobs)
        self.places = len(slots)
        self.free = list(slots)
        self.running: list[Running] = []
        self.seconds: list[float] = []

    def run(self, received: Received) -> None:
        """Until nothing is left to do, or a signal has ended what was at work."""
        while self.running or (self.waiting and received.first is None):
            while self.free and self.waiting and received.first is None:
                self._start(self.waiting.popleft(), self.free.pop(0))
            time.sleep(POLL_SECONDS)
            for running in list(self.running):
                running.watch.poll(received)
                if not running.watch.living:
                    self._end(running, received.first)

    def _start(self, job: GridJob, slot: Slot) -> None:
        run = self.folder.job(job.number)
        self.folder.state(job.number, "running")
        told = " ".join(job.overrides)
        print(f"job {job.number} starts: {told} (output: {run.output})", flush=True)
        with disk_faults(run.output), run.output.open("ab") as output:
            child = self._child(run, slot, output)
        watch = Watch([child], JOB_GRACE_SECONDS, self.timeout, has_stacks=False)
        self.running.append(Running(job, watch, slot))

    def _child(self, run: RunFolder, slot: Slot, output: BinaryIO) -> Child:
        if self.is_warm:
            # All places have an equal share of the cores.
            start_server(allocation() | slot.variables)
            return start_from_server(JOB, [str(run.path)], slot.variables, run.output)
        return start(JOB, [str(run.path)], slot.variables, output=output)

    def _end(self, running: Running, signal_sent: int | None) -> None:
        self.running.remove(running)
        self.free.append(running.slot)
        running.watch.close()
        self.seconds.append(running.watch.seconds)
        self._settle(running, self._fate(running, signal_sent))
        number = running.job.number
        entry = self.folder.entry(number)
        told = entry.status if entry.reason is None else f"{entry.status}: {entry.reason}"
        print(f"job {number} {told} ({self.seconds[-1]:.0f} s); {self._progress()}", flush=True)

    def _progress(self) -> str:
        """How far the sweep is, and how long the rest may take."""
        done = len(self.seconds)
        left = self.total - done
        if not left:
            return f"{done} of {self.total} done"
        mean = sum(self.seconds) / done
        return f"{done} of {self.total} done, about {duration(mean * left / self.places)} left"

    def _fate(self, running: Running, signal_sent: int | None) -> Outcome:
        """What to note of a job that could not say it itself."""
        watch = running.watch
        if watch.timed_out:
            told = f"did not end within sweep.job_timeout={self.timeout}; raise it"
            return Outcome(INTERNAL, told)
        if signal_sent is not None:
            return Outcome(128 + signal_sent, "ended before the step was saved")
        code = watch.failed or 0
        told = _last_error(self.folder.job(running.job.number))
        return Outcome(code if code > 0 else INTERNAL, told or f"the job died with code {code}")

    def _settle(self, running: Running, fate: Outcome) -> None:
        number = running.job.number
        run = self.folder.job(number)
        # A run that was there and was not touched stays what it was.
        if drop(run):
            self.folder.state(number, status_of(fate), fate.reason)
            return
        if running.watch.timed_out or run.read_record().status in ("running", "waiting"):
            run.change_record(status=status_of(fate), exit_code=fate.exit_code, reason=fate.reason)
        self.folder.note(number, run.read_record())


def _last_error(run: RunFolder) -> str:
    lines = run.output.read_text(errors="replace").splitlines()
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return told[-1] if told else ""

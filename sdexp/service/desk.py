"""The desk: jobs wait in one bounded line, and one process does them in turn."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from sdexp.ground.serving import (
    Cancel,
    CannotStart,
    Ended,
    Made,
    ModelsSettings,
    PreviewShown,
    Progress,
    Prove,
    Proved,
    Ready,
    Report,
)
from sdexp.launch.app_settings import AppSettings
from sdexp.service.catalogue import Catalogue, Entry
from sdexp.service.jobs import Job, KeptJobs
from sdexp.service.process import ModelsProcess, models_process
from sdexp.service.refusals import Refusal

# Seconds between two looks at the clock while nothing is reported.
TICK = 0.5
# Seconds that a job has to end once it was told to, before its process is ended.
GRACE = 30.0
# Seconds between two starts of a process that dies at once.
PAUSE = 1.0
# Of a process that never gets as far as to take an order.
MOST_DEATHS = 5
# Where no job has ended yet.
USUAL_SECONDS = 5.0


class Desk:
    """Holds the line of jobs and the process; everything runs in one event loop."""

    def __init__(self, settings: AppSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._line: deque[Job] = deque()
        self._jobs = KeptJobs()
        self._process: ModelsProcess | None = None
        self._running: Job | None = None
        self._wanted = asyncio.Event()
        self._cancelling: float | None = None
        self._proving: float | None = None
        self._mean_seconds = USUAL_SECONDS
        self.state = "starting"
        self.free_bytes: int | None = None
        self.broken: str | None = None

    @property
    def is_ready(self) -> bool:
        return self._process is not None and self.free_bytes is not None

    @property
    def pid(self) -> int | None:
        """Of the process that owns the models."""
        return None if self._process is None else self._process.pid

    @property
    def waiting(self) -> int:
        """How many jobs stand in line."""
        return len(self._line)

    def submit(self, job: Job) -> Job:
        """Put a job into the line; raises `Refusal` where that is full."""
        if self.broken is not None:
            raise Refusal(503, self.broken, retry_after=60)
        if len(self._line) >= self._settings.max_queue:
            raise Refusal(503, f"{len(self._line)} jobs wait; come again", self._retry_after())
        self._line.append(job)
        self._jobs.add(job)
        self._wanted.set()
        return job

    def job(self, name: str) -> Job:
        """A job that somebody asks about; raises `Refusal` for one that is not known any more."""
        job = self._jobs.get(name)
        if job is None:
            raise Refusal(404, "no such job, or one that is over for long; ask again")
        job.touch()
        return job

    def position(self, job: Job) -> int:
        """How many jobs come before it."""
        ahead = 0 if self._running is None else 1
        return self._line.index(job) + ahead if job in self._line else 0

    def cancel(self, job: Job, reason: str = "cancelled") -> None:
        """Have it end: at once where it waits, within a step where it runs."""
        if job in self._line:
            self._line.remove(job)
            job.end("cancelled", reason)
        elif job is self._running and self._process is not None and self._cancelling is None:
            job.detail = reason
            self._cancelling = time.monotonic()
            self._process.send(Cancel(job.id))

    def look_again(self) -> None:
        """There may be weights that nobody has proved yet."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep a process at work for ever; one that dies is started again."""
        settings = ModelsSettings(
            str(self._settings.device), self._settings.memory_gb, self._settings.safety_checker
        )
        deaths = 0
        while self.broken is None:
            async with models_process(settings) as process:
                self._process = process
                await self._serve(process)
                deaths = 0 if self.free_bytes is not None else deaths + 1
                self._process = None
                self.free_bytes = None
                ended = await process.close()
            if deaths == MOST_DEATHS and self.broken is None:
                self.broken = f"the models' process died {deaths} times at its start ({ended})"
            self._bury(f"the models' process died ({ended}); it is started again, ask once more")
            await asyncio.sleep(PAUSE)

    async def _serve(self, process: ModelsProcess) -> None:
        """Hand it one piece of work after the other, until it dies."""
        self.state = "loading"
        if not await self._until(process, self._begins):
            return
        self.state = "ready"
        while True:
            self._cancel_forsaken()
            unproved = [] if self._line else self._catalogue.unproved()
            if self._line:
                alive = await self._do(process, self._line.popleft())
            elif unproved:
                alive = await self._prove(process, unproved[0])
            else:
                alive = await self._idle(process)
            if not alive:
                return

    def _begins(self, report: Report) -> bool:
        if isinstance(report, CannotStart):
            self.broken = self._catalogue.shortened(report.reason)
        return isinstance(report, Ready)

    async def _idle(self, process: ModelsProcess) -> bool:
        """Wait for something to do; whether the process lives."""
        self._wanted.clear()
        receiving = asyncio.ensure_future(process.receive())
        both = (receiving, asyncio.ensure_future(self._wanted.wait()))
        try:
            await asyncio.wait(both, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
        # Only one may listen to the process at a time.
        await asyncio.wait(both)
        return receiving.cancelled() or receiving.result() is not None

    async def _do(self, process: ModelsProcess, job: Job) -> bool:
        """Have a job done; whether the process lives."""
        self._running = job
        self._cancelling = None
        job.begin()
        process.send(job.order)
        alive = await self._until(
            process, lambda report: isinstance(report, Ended) and report.job == job.id
        )
        if alive:
            self._running = None
            self._mean_seconds = 0.8 * self._mean_seconds + 0.2 * (job.seconds or 0)
            self._jobs.forget()
        return alive

    async def _prove(self, process: ModelsProcess, entry: Entry) -> bool:
        """Have weights looked at; whether the process lives. What kills it is not tried again."""
        process.send(Prove(entry.weights))
        self._proving = time.monotonic()
        alive = await self._until(process, lambda report: isinstance(report, Proved))
        self._proving = None
        if not alive:
            reason = "the models' process died while it was loaded"
            self._catalogue.note(Proved(entry.weights, None, False, reason))
        return alive

    async def _until(self, process: ModelsProcess, is_last: Callable[[Report], bool]) -> bool:
        """Take reports up to the last one; whether the process lives."""
        while True:
            try:
                # `wait_for` would take a call to end for one to go on (Python issue 86296).
                async with asyncio.timeout(TICK):
                    report = await process.receive()
            except TimeoutError:
                self._watch_clock(process)
                continue
            if report is None:
                return False
            self._take(report)
            if is_last(report):
                return True
            self._watch_clock(process)

    def _take(self, report: Report) -> None:
        job = self._running
        if isinstance(report, Ready):
            self.free_bytes = report.free_bytes
        elif isinstance(report, Proved):
            self._catalogue.note(report)
        elif job is not None and not isinstance(report, CannotStart) and report.job == job.id:
            self._take_of(job, report)

    def _take_of(self, job: Job, report: Progress | PreviewShown | Made | Ended) -> None:
        if isinstance(report, Progress):
            job.progress = report
            job.change()
        elif isinstance(report, PreviewShown):
            job.preview = (report.picture, report.png)
            job.change()
        elif isinstance(report, Made):
            job.add(report)
            if report.differs and job.order.shots[report.picture].strength == 1:
                self._catalogue.note_differing(job.ids[report.picture])
        else:
            reason = job.detail if report.status == "cancelled" else report.reason
            job.end(report.status, reason and self._catalogue.shortened(reason))

    def _watch_clock(self, process: ModelsProcess) -> None:
        """Limits of time: of the job at work, of clients that have gone, of a job that hangs."""
        self._cancel_forsaken()
        job = self._running
        limit = self._settings.job_timeout
        if self._proving is not None and time.monotonic() - self._proving > limit:
            process.kill()
        if job is None or job.is_over:
            return
        if self._cancelling is not None and time.monotonic() - self._cancelling > GRACE:
            process.kill()
        elif (job.seconds or 0) > limit:
            self.cancel(job, f"took longer than {limit:g} seconds")
        elif job.is_forsaken(self._settings.client_timeout):
            self.cancel(job, "nobody asked for it any more")

    def _cancel_forsaken(self) -> None:
        for job in [j for j in self._line if j.is_forsaken(self._settings.client_timeout)]:
            self.cancel(job, "nobody asked for it any more")

    def _bury(self, reason: str) -> None:
        """What was at work when the process died has failed; what waits goes on waiting."""
        self.state = "starting again"
        if self._running is not None:
            self._running.end("failed", self.broken or reason)
            self._running = None
        for job in list(self._line) if self.broken else []:
            self._line.remove(job)
            job.end("failed", self.broken)

    def _retry_after(self) -> int:
        """Seconds until about half of the line is done."""
        return max(1, math.ceil(self._mean_seconds * len(self._line) / 2))

"""What all routes share: the catalogue, the desk, and the limits of the moment."""

import asyncio
import time
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from sdexp.launch.app_settings import AppSettings
from sdexp.service.blind import BlindTest
from sdexp.service.catalogue import Catalogue
from sdexp.service.desk import Desk
from sdexp.service.found import FoundRun
from sdexp.service.jobs import Job
from sdexp.service.limits import Limits
from sdexp.service.refusals import Refusal

# Seconds between two looks into the folder of runs, of our own accord and at the least.
PAUSE = 10.0
LEAST_PAUSE = 0.5


@dataclass
class House:
    """One for each service."""

    settings: AppSettings
    catalogue: Catalogue
    desk: Desk
    blind: BlindTest = field(default_factory=BlindTest)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _looked: float = 0.0

    @property
    def limits(self) -> Limits:
        return Limits.of(self.settings, self.desk.free_bytes)

    async def look_again(self) -> None:
        """New runs may have come; the event loop does not wait for the disk.

        Those who ask at the same time look once.
        """
        async with self._looking:
            if time.monotonic() - self._looked > LEAST_PAUSE:
                await run_in_threadpool(self.catalogue.refresh)
                self._looked = time.monotonic()
                self.desk.look_again()

    async def keep_looking(self) -> None:
        """Look again and again for ever, also where nobody asks for lists."""
        while True:
            await asyncio.sleep(PAUSE)
            await self.look_again()

    def run(self, name: str) -> FoundRun:
        """A run by its id; raises `Refusal`."""
        found = self.catalogue.run(name)
        if found is None:
            raise Refusal(404, "no such run; GET /api/runs names them")
        return found

    def told(self, job: Job) -> dict[str, object]:
        return job.told(self.desk.position(job))

"""What all routes share: the catalogue, the desk, and the limits of the moment."""

from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from sdexp.launch.app_settings import AppSettings
from sdexp.service.blind import BlindTest
from sdexp.service.catalogue import Catalogue, FoundRun
from sdexp.service.desk import Desk
from sdexp.service.jobs import Job
from sdexp.service.limits import Limits
from sdexp.service.refusals import Refusal


@dataclass
class House:
    """One for each service."""

    settings: AppSettings
    catalogue: Catalogue
    desk: Desk
    blind: BlindTest = field(default_factory=BlindTest)

    @property
    def limits(self) -> Limits:
        return Limits.of(self.settings, self.desk.free_bytes)

    async def look_again(self) -> None:
        """New runs may have come; the event loop does not wait for the disk."""
        await run_in_threadpool(self.catalogue.refresh)
        self.desk.look_again()

    def run(self, name: str) -> FoundRun:
        """A run by its id; raises `Refusal`."""
        found = self.catalogue.run(name)
        if found is None:
            raise Refusal(404, "no such run; GET /api/runs names them")
        return found

    def told(self, job: Job) -> dict[str, object]:
        return job.told(self.desk.position(job))

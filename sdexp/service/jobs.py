"""Jobs: what was asked, how far it is, and what came of it."""

import asyncio
import secrets
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sdexp.ground.serving import End, Made, MakeGrid, MakePictures, Progress, as_bytes

Status: TypeAlias = Literal["queued", "running"] | End
KEPT_SECONDS = 900.0
FRESH_SECONDS = 30.0
KEPT_JOBS = 500
KEPT_BYTES = 64_000_000
# Where a PNG tells its width and height (ISO 15948, 11.2.2).
SIZE_IN_PNG = slice(16, 24)


@dataclass(frozen=True)
class Picture:
    """A picture of a job: the file, and what is told of it."""

    png: bytes
    told: dict[str, Any]


@dataclass
class Job:
    """recipe: the request with everything filled in; ids: of the weights of each shot.

    watchers: clients that listen; asked: when somebody last asked; changed: set at every change,
    and then another one; over: set at the end.
    """

    kind: Literal["pictures", "grid"]
    recipe: dict[str, Any]
    ids: list[str]
    order: MakePictures | MakeGrid
    status: Status = "queued"
    detail: str | None = None
    progress: Progress | None = None
    preview: tuple[int, str] | None = None
    pictures: list[Picture] = field(default_factory=list)
    judges: dict[str, str | None] = field(
        default_factory=lambda: {"clip_score": None, "drift": None}
    )
    watchers: int = 0
    asked: float = field(default_factory=time.monotonic)
    began: float | None = None
    ended: float | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        return self.order.job

    @property
    def is_over(self) -> bool:
        return self.status not in ("queued", "running")

    @property
    def seconds(self) -> float | None:
        """How long it has been at work."""
        if self.began is None:
            return None
        return round((self.ended or time.monotonic()) - self.began, 3)

    def touch(self) -> None:
        """Somebody wants to know of it."""
        self.asked = time.monotonic()

    def is_forsaken(self, patience: float) -> bool:
        """Whether nobody has asked for so many seconds."""
        return not self.watchers and time.monotonic() - self.asked > patience

    def change(self) -> None:
        """Tell all who wait that something is new."""
        self.changed.set()
        self.changed = asyncio.Event()

    def begin(self) -> None:
        self.status = "running"
        self.began = time.monotonic()
        self.change()

    def end(self, status: End, detail: str | None = None) -> None:
        self.status = status
        self.detail = detail
        self.ended = time.monotonic()
        self.preview = None
        self.over.set()
        self.change()

    def add(self, made: Made) -> None:
        """Take a picture in."""
        png = as_bytes(made.png)
        width, height = struct.unpack(">II", png[SIZE_IN_PNG])
        self.judges |= {name: judge for name, judge in _judges(made).items() if judge is not None}
        told = {
            "index": made.picture,
            "model": self.ids[made.picture],
            "seed": self.order.shots[made.picture].seed,
            "url": f"/api/jobs/{self.id}/pictures/{made.picture}.png",
            "width": width,
            "height": height,
            "sha256": made.sha256,
            "from_store": made.from_store,
            "withheld": made.withheld,
            "clip_score": made.clip_score,
            "drift": made.drift,
            "differs": made.differs,
        }
        self.pictures.append(Picture(png, told))
        self.change()

    def told(self, position: int) -> dict[str, Any]:
        """What clients are told; position: how many jobs come before it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "detail": self.detail,
            "position": position,
            "recipe": self.recipe,
            "progress": self._progress(),
            "pictures": [picture.told for picture in self.pictures],
            "judges": self.judges,
            "seconds": self.seconds,
        }

    def _progress(self) -> dict[str, Any]:
        shots = len(self.ids)
        if self.progress is None:
            steps = self.recipe["num_inference_steps"]
            return {"picture": 0, "pictures": shots, "model": None, "step": 0, "steps": steps}
        at = self.progress
        # A grid makes many pictures for each shot.
        shot = at.picture * shots // at.pictures
        return {
            "picture": at.picture,
            "pictures": at.pictures,
            "model": self.ids[shot],
            "step": at.step,
            "steps": at.steps,
        }


def _judges(made: Made) -> dict[str, str | None]:
    return {"clip_score": made.scorer, "drift": made.drift_judge}


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether something happens in the time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def new_id() -> str:
    """Of a job; nobody can guess another's."""
    return secrets.token_urlsafe(12)


class KeptJobs:
    """Jobs by id; those that are over are forgotten after a while, or when they are too many."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def add(self, job: Job) -> None:
        self._jobs[job.id] = job
        self.forget()

    def get(self, name: str) -> Job | None:
        return self._jobs.get(name)

    def forget(self) -> None:
        """Let go of what is too old or too much, the oldest first."""
        over = [job for job in self._jobs.values() if job.is_over]
        held = sum(len(picture.png) for job in over for picture in job.pictures)
        for count, job in enumerate(over):
            is_old = time.monotonic() - (job.ended or 0) > KEPT_SECONDS
            is_much = held > KEPT_BYTES or len(over) - count > KEPT_JOBS
            # Somebody may still be about to fetch the pictures.
            if is_old or (is_much and job.is_forsaken(FRESH_SECONDS)):
                held -= sum(len(picture.png) for picture in job.pictures)
                del self._jobs[job.id]

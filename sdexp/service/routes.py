"""The JSON API of pictures: health, weights, jobs."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse

from sdexp.ground.sampling import Sampler
from sdexp.service import told
from sdexp.service.asked import GridAsked, PicturesAsked
from sdexp.service.house import House
from sdexp.service.jobs import Job, happens
from sdexp.service.orders import grid_job, pictures_job
from sdexp.service.refusals import Refusal
from sdexp.service.schema import JOB, errors, example, png

# Seconds between two signs of life where nothing changes.
HEARTBEAT = 10.0
# Seconds between two events of a job: steps may be quicker than anybody can see.
LEAST_PAUSE = 0.05


def picture_routes(house: House) -> APIRouter:
    """Everything below /api that is about making pictures."""
    router = APIRouter(prefix="/api", tags=["pictures"], responses=errors(403))
    _add_state(router, house)
    _add_orders(router, house)
    _add_jobs(router, house)
    return router


def _add_state(router: APIRouter, house: House) -> None:
    @router.get("/health")
    async def health() -> dict[str, str]:
        """Whether the service is alive."""
        return {"status": "ok"}

    @router.get("/ready")
    async def ready() -> dict[str, Any]:
        """Whether pictures can be made, or how far the loading is."""
        return _ready(house)

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """Weights that can be asked for: originals, runs, checkpoints and exports."""
        await house.look_again()
        return {
            "models": [told.model(entry) for entry in house.catalogue.entries],
            "samplers": [str(sampler) for sampler in Sampler],
            "limits": asdict(house.limits),
            "safety_checker": house.settings.safety_checker,
        }


def _add_orders(router: APIRouter, house: House) -> None:
    asking = errors(404, 409, 413, 422, 503) | example(202, JOB)

    @router.post("/generate", status_code=202, responses=asking)
    async def generate(asked: PicturesAsked) -> JSONResponse:
        """Have pictures made; the answer is a job."""
        return _accepted(house, pictures_job(asked, house.catalogue, house.limits))

    @router.post("/grid", status_code=202, responses=asking)
    async def grid(asked: GridAsked) -> JSONResponse:
        """Have a grid made by each of the weights; the answer is a job."""
        return _accepted(house, grid_job(asked, house.catalogue, house.limits))


def _add_jobs(router: APIRouter, house: House) -> None:
    @router.get("/jobs/{job_id}", responses=errors(404) | example(200, JOB))
    async def job(job_id: str) -> dict[str, Any]:
        """How far a job is, and what came of it."""
        return house.told(house.desk.job(job_id))

    @router.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses=errors(404))
    async def events(job_id: str) -> StreamingResponse:
        """The same at every change, as server-sent events `job` and `preview`."""
        stream = _events(house, house.desk.job(job_id))
        headers = {"cache-control": "no-store"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    @router.delete("/jobs/{job_id}", responses=errors(404) | example(200, JOB))
    async def cancel(job_id: str) -> dict[str, Any]:
        """Cancel a job, within one step where it is at work; one that is over stays as it is."""
        found = house.desk.job(job_id)
        house.desk.cancel(found)
        return house.told(found)

    @router.get(
        "/jobs/{job_id}/pictures/{name}",
        response_class=Response,
        responses=errors(404) | png("the picture"),
    )
    async def picture(job_id: str, name: str) -> Response:
        """A picture as PNG, `<index>.png`, with its recipe in text chunks."""
        pictures = {f"{p.told['index']}.png": p for p in house.desk.job(job_id).pictures}
        if name not in pictures:
            raise Refusal(404, "no such picture, or it is not made yet")
        return Response(pictures[name].png, media_type="image/png")


def _ready(house: House) -> dict[str, Any]:
    desk = house.desk
    entries = house.catalogue.entries
    looked_at = sum(entry.proof is not None or entry.refused is not None for entry in entries)
    found = looked_at + len(house.catalogue.unproved())
    detail = f"{looked_at} of {found} weights looked at"
    return {
        "ready": desk.is_ready,
        "detail": desk.broken or (detail if desk.is_ready else desk.state),
        "proved": looked_at,
        "found": found,
        "waiting": desk.waiting,
        "queue_limit": house.settings.max_queue,
    }


def _accepted(house: House, job: Job) -> JSONResponse:
    house.desk.submit(job)
    return JSONResponse(house.told(job), 202, headers={"location": f"/api/jobs/{job.id}"})


async def _events(house: House, job: Job) -> AsyncIterator[str]:
    """Until the job is over; while somebody listens, it is not forsaken."""
    shown = None
    job.watchers += 1
    try:
        while True:
            changed = job.changed
            is_over = job.is_over
            yield _event("job", house.told(job))
            if job.preview not in (None, shown):
                shown = job.preview
                assert shown is not None
                image = f"data:image/png;base64,{shown[1]}"
                yield _event("preview", {"picture": shown[0], "image": image})
            if is_over:
                return
            # The end is told at once.
            await happens(job.over, LEAST_PAUSE)
            if not await happens(changed, HEARTBEAT):
                yield ": alive\n\n"
    finally:
        job.watchers -= 1
        job.touch()


def _event(name: str, value: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"

"""What clients of two older applications send, answered as they are used to: with one PNG."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from sdexp.service.asked import OlderAsked, PicturesAsked, Prompt
from sdexp.service.house import House
from sdexp.service.jobs import Job, happens
from sdexp.service.orders import pictures_job, served
from sdexp.service.refusals import Refusal
from sdexp.service.schema import errors, png

MODEL_TYPES = {"fine-tuned": False, "original": True}
# Seconds between two looks whether the client is still there.
LOOK = 0.25


def older_routes(house: House) -> APIRouter:
    """The two routes, which differ by a slash."""
    answers = errors(400, 403, 413, 422, 503) | png("the picture; X-Seed and X-Model tell of it")
    router = APIRouter(tags=["older clients"], responses=answers)

    @router.post("/generate/", response_class=Response)
    async def generate_json(asked: OlderAsked, request: Request) -> Response:
        """JSON; `model_type` is fine-tuned or original, and fine-tuned is the newest run."""
        if asked.model_type not in MODEL_TYPES:
            raise Refusal(400, "model_type: allowed are fine-tuned and original")
        return await _picture(house, asked, request)

    @router.post("/generate", response_class=Response)
    async def generate_form(prompt: Annotated[Prompt, Form()], request: Request) -> Response:
        """A form with the field `prompt`; the seed is drawn, and told in X-Seed."""
        return await _picture(house, OlderAsked(prompt=prompt, seed=-1), request)

    return router


async def _picture(house: House, asked: OlderAsked, request: Request) -> Response:
    entry = served(house.catalogue, wants_original=MODEL_TYPES[asked.model_type])
    whole = PicturesAsked(
        prompt=asked.prompt,
        models=[entry.id],
        num_inference_steps=asked.num_inference_steps,
        guidance_scale=asked.guidance_scale,
        seed=asked.seed if asked.seed >= 0 else None,
    )
    job = house.desk.submit(pictures_job(whole, house.catalogue, house.limits))
    await _over(house, job, request)
    if job.status != "finished":
        raise Refusal(503, job.detail or str(job.status), retry_after=1)
    headers = {"x-seed": str(job.recipe["seed"]), "x-model": entry.label}
    return Response(job.pictures[0].png, media_type="image/png", headers=headers)


async def _over(house: House, job: Job, request: Request) -> None:
    """Wait for the end of a job, or end it when its client has gone."""
    job.watchers += 1
    try:
        while not job.is_over:
            if not await happens(job.over, LOOK) and await request.is_disconnected():
                house.desk.cancel(job, "its client has gone")
    finally:
        job.watchers -= 1

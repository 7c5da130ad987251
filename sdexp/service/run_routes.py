"""The JSON API of runs: scores, curves, reports, prompts, the blind test."""

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from sdexp.service import told
from sdexp.service.asked import BlindAsked, VoteAsked
from sdexp.service.house import House
from sdexp.service.reports import file_of, report_of
from sdexp.service.schema import errors, png


def run_routes(house: House) -> APIRouter:
    """Everything below /api that is about runs."""
    router = APIRouter(prefix="/api", tags=["runs"], responses=errors(403, 404, 422))
    _add_scores(router, house)
    _add_reports(router, house)
    _add_blind_test(router, house)
    return router


def _add_scores(router: APIRouter, house: House) -> None:
    @router.get("/runs")
    async def runs() -> dict[str, Any]:
        """All runs of the folder with their scores, the newest first."""
        await house.look_again()
        return {"runs": [told.run(house.catalogue, found) for found in house.catalogue.runs]}

    @router.get("/runs/{run_id}/curves")
    async def curves(run_id: str) -> dict[str, Any]:
        """Losses by step."""
        return {"curves": await run_in_threadpool(told.curves, house.run(run_id))}

    @router.get("/runs/{run_id}/prompts")
    async def prompts(run_id: str) -> dict[str, Any]:
        """Prompts of held-out data, with the noise that the evaluation gave them."""
        return {"prompts": await run_in_threadpool(told.prompts, house.run(run_id))}

    @router.get("/runs/{run_id}/votes")
    async def votes(run_id: str) -> dict[str, Any]:
        """How often which of the two was chosen blindly."""
        return told.votes(house.run(run_id))


def _add_reports(router: APIRouter, house: House) -> None:
    @router.get("/runs/{run_id}/report", response_class=Response)
    async def report(run_id: str) -> Response:
        """The report of a run, a page by itself."""
        page = await run_in_threadpool(report_of, house.run(run_id))
        return Response(page, media_type="text/html; charset=utf-8")

    @router.get("/runs/{run_id}/{name:path}", response_class=Response)
    async def file(run_id: str, name: str) -> Response:
        """A file that the report points to."""
        data, kind = await run_in_threadpool(file_of, house.run(run_id), name)
        return Response(data, media_type=kind)


def _add_blind_test(router: APIRouter, house: House) -> None:
    @router.post("/blind", responses=errors(409))
    async def blind(asked: BlindAsked) -> dict[str, Any]:
        """Pairs of a run's evaluation, in hidden order."""
        found = house.run(asked.run)
        pairs = await run_in_threadpool(house.blind.pairs, found, asked.pairs)
        return {"pairs": pairs, "votes": told.votes(found)}

    @router.get("/blind/{pair}/{side}.png", response_class=Response, responses=png("one side"))
    async def side(pair: str, side: Literal["left", "right"]) -> Response:
        """A picture of a pair, without a word of where it is from."""
        png = await run_in_threadpool(house.blind.picture, pair, side)
        return Response(png, media_type="image/png")

    @router.post("/blind/{pair}/vote", responses=errors(409))
    async def vote(pair: str, asked: VoteAsked) -> dict[str, Any]:
        """Vote on a pair, once; the answer says whose pictures these were."""
        return await run_in_threadpool(house.blind.vote, pair, asked.choice)

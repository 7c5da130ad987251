"""The line of jobs and the process behind it, which here does as prompts tell it to."""

import asyncio
import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from sdexp.ground.serving import Progress, Ready, Report
from sdexp.service import desk as desk_module
from sdexp.service.asked import PicturesAsked
from sdexp.service.house import House
from sdexp.service.jobs import Job
from sdexp.service.orders import pictures_job
from sdexp.service.refusals import Refusal
from tests.service.houses import at_work, house_of, over, run_of, told_process


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    told_process(monkeypatch)


def job_of(house: House, prompt: str, **asked: object) -> Job:
    whole = PicturesAsked(prompt=prompt, models=["run"], **asked)
    return pictures_job(whole, house.catalogue, house.limits)


async def running(job: Job) -> None:
    async with asyncio.timeout(30):
        while job.progress is None:
            await asyncio.sleep(0.02)


def test_jobs_are_done_in_turn_and_told_of(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path)

    async def play() -> None:
        first = house.desk.submit(job_of(house, "slow"))
        jobs = [house.desk.submit(job_of(house, "now", seed=k, num_images=2)) for k in range(3)]
        assert [house.desk.position(job) for job in (first, *jobs)] == [0, 1, 2, 3]
        async with at_work(house):
            await running(first)
            assert [house.desk.position(job) for job in (first, *jobs)] == [0, 1, 2, 3]
            house.desk.cancel(first)
            await over(jobs[-1])
        assert first.status == "cancelled" and not first.pictures
        for number, job in enumerate(jobs):
            assert job.status == "finished" and house.desk.position(job) == 0
            assert [p.told["seed"] for p in job.pictures] == [number, number + 1]
        assert jobs[0].pictures[0].told["width"] == 16
        assert jobs[0].judges == {"clip_score": "a judge", "drift": None}
        assert house.desk.free_bytes is not None

    asyncio.run(play())


def test_weights_are_proved_while_nobody_waits(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path)

    async def play() -> None:
        async with at_work(house), asyncio.timeout(30):
            while house.catalogue.unproved():
                await asyncio.sleep(0.02)
            # At another strength than the run's own a picture says nothing of it.
            await over(house.desk.submit(job_of(house, "now", lora_scale=0.5)))
            entry = house.catalogue.entry("run")
            assert entry is not None and entry.applied is not None and entry.applied.applied == 2
            assert not entry.differs
            await over(house.desk.submit(job_of(house, "now")))
            entry = house.catalogue.entry("run")
            assert entry is not None and entry.differs

    asyncio.run(play())


class Reporting:
    """In the place of the process: it says what it is given to say."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[Report] = asyncio.Queue()

    async def receive(self) -> Report:
        return await self.reports.get()


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("is_idle", [False, True])
def test_an_end_that_comes_together_with_a_report_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_idle: bool, turns: int
) -> None:
    """turns: of the event loop between the two."""
    process = Reporting()
    monkeypatch.setattr(desk_module, "models_process", lambda _: nullcontext(process))
    house = house_of(tmp_path)

    async def play() -> None:
        work = asyncio.create_task(house.desk.run())
        if is_idle:
            process.reports.put_nowait(Ready("cpu", 10**9))
        async with asyncio.timeout(10):
            while house.desk.state != ("ready" if is_idle else "loading"):
                await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        process.reports.put_nowait(Progress("nobody's", 0, 1, 1, 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait({work}, timeout=2)
        assert work.cancelled()

    asyncio.run(play())


def test_a_full_line_says_when_to_come_again(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path, "max_queue=2")
    for _ in range(2):
        house.desk.submit(job_of(house, "now"))
    with pytest.raises(Refusal) as caught:
        house.desk.submit(job_of(house, "now"))
    assert caught.value.status == 503 and (caught.value.retry_after or 0) >= 1


def test_a_process_that_dies_is_started_again_and_only_its_job_has_failed(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path)

    async def play() -> None:
        async with at_work(house):
            died = house.desk.submit(job_of(house, "die"))
            waited = house.desk.submit(job_of(house, "now"))
            await over(waited)
            assert died.status == "failed" and "process died (exit code 9)" in (died.detail or "")
            assert waited.status == "finished"
            killed = house.desk.submit(job_of(house, "slow"))
            await running(killed)
            assert house.desk.pid is not None
            os.kill(house.desk.pid, signal.SIGKILL)
            await over(killed)
            assert killed.status == "failed" and "signal 9" in (killed.detail or "")
            assert (await over(house.desk.submit(job_of(house, "now")))).status == "finished"

    asyncio.run(play())


def test_weights_that_kill_the_process_are_not_tried_again(tmp_path: Path) -> None:
    run = run_of(tmp_path, "run")
    (run.path / "export" / "checkpoint-000013").mkdir(parents=True)
    house = house_of(tmp_path)

    async def play() -> None:
        async with at_work(house), asyncio.timeout(30):
            while house.catalogue.unproved():
                await asyncio.sleep(0.02)
        entry = house.catalogue.entry("run@13")
        assert entry is not None and entry.refused is not None and "died" in entry.refused
        own = house.catalogue.entry("run")
        assert own is not None and own.refused is None

    asyncio.run(play())


def test_a_job_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path, "job_timeout=0.7")

    async def play() -> None:
        async with at_work(house):
            began = time.monotonic()
            job = await over(house.desk.submit(job_of(house, "slow")))
            assert job.status == "cancelled" and job.detail == "took longer than 0.7 seconds"
            assert time.monotonic() - began < 10
            assert (await over(house.desk.submit(job_of(house, "now")))).status == "finished"

    asyncio.run(play())


def test_a_process_that_hears_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "GRACE", 0.5)
    run_of(tmp_path, "run")
    house = house_of(tmp_path)

    async def play() -> None:
        async with at_work(house):
            job = house.desk.submit(job_of(house, "hang"))
            async with asyncio.timeout(30):
                while job.status == "queued":
                    await asyncio.sleep(0.02)
            house.desk.cancel(job)
            await over(job)
            assert job.status == "failed"
            assert (await over(house.desk.submit(job_of(house, "now")))).status == "finished"

    asyncio.run(play())


def test_what_nobody_asks_for_any_more_is_cancelled(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path, "client_timeout=0.5")

    async def play() -> None:
        async with at_work(house):
            listened = house.desk.submit(job_of(house, "slow"))
            listened.watchers = 1
            await running(listened)
            waiting = house.desk.submit(job_of(house, "slow"))
            async with asyncio.timeout(30):
                while not waiting.is_over:
                    await asyncio.sleep(0.02)
            assert waiting.status == "cancelled" and waiting.progress is None
            assert listened.status == "running"
            listened.watchers = 0
            async with asyncio.timeout(30):
                while not listened.is_over:
                    await asyncio.sleep(0.02)
            assert listened.status == "cancelled" and "nobody" in (listened.detail or "")

    asyncio.run(play())


def test_a_reason_names_no_place_of_this_machine(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path)

    async def play() -> None:
        async with at_work(house):
            job = await over(house.desk.submit(job_of(house, "fail")))
            assert job.status == "failed" and job.detail == "run/weights: broken"

    asyncio.run(play())


def test_a_process_that_cannot_start_is_told_to_all(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    house = house_of(tmp_path, "safety_checker=nowhere")

    async def play() -> None:
        waiting = house.desk.submit(job_of(house, "now"))
        await asyncio.wait_for(house.desk.run(), 30)
        assert waiting.status == "failed" and "cannot be loaded" in (waiting.detail or "")
        with pytest.raises(Refusal, match="safety_checker=nowhere"):
            house.desk.submit(job_of(house, "now"))

    asyncio.run(play())

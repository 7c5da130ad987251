import asyncio
import os

import pytest

from sdexp.ground.serving import CannotStart, Ended, ModelsSettings, Prove, Proved, Ready, Weights
from sdexp.service.process import models_process
from tests.service.houses import told_process

SETTINGS = ModelsSettings("cpu", None, None)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    told_process(monkeypatch)


def test_it_takes_orders_gives_reports_and_ends_with_us() -> None:
    async def play() -> int:
        async with models_process(SETTINGS) as process:
            assert await process.receive() == Ready("cpu", 10**9)
            weights = Weights("run", "run")
            process.send(Prove(weights))
            # To wait and give up loses nothing.
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(process.receive(), 0)
            report = await process.receive()
            assert isinstance(report, Proved) and report.weights == weights
            return process.pid

    pid = asyncio.run(play())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_its_death_is_seen_and_told() -> None:
    async def play() -> None:
        async with models_process(SETTINGS) as process:
            assert isinstance(await process.receive(), Ready)
            process.kill()
            assert await process.receive() is None
            # Orders to the dead are no fault.
            process.send(Prove(Weights("run", "run")))
            assert await process.close() == "signal 9"

    asyncio.run(play())


def test_what_cannot_start_says_why() -> None:
    async def play() -> None:
        async with models_process(ModelsSettings("cpu", None, "x")) as process:
            report = await process.receive()
            assert isinstance(report, CannotStart) and "safety_checker=x" in report.reason
            assert not isinstance(report, Ended)
            assert await process.receive() is None
            assert await process.close() == "exit code 0"

    asyncio.run(play())

import asyncio
from pathlib import Path

import pytest

from sdexp.service import house as module
from sdexp.service.refusals import Refusal
from tests.service.houses import house_of, run_of


def test_those_who_ask_at_the_same_time_look_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = house_of(tmp_path)
    looked = []
    before = house.catalogue.refresh
    monkeypatch.setattr(house.catalogue, "refresh", lambda: looked.append(1) or before())

    async def play() -> None:
        await asyncio.gather(*(house.look_again() for _ in range(20)))
        assert len(looked) == 1
        monkeypatch.setattr(module, "LEAST_PAUSE", 0.0)
        await house.look_again()
        assert len(looked) == 2

    asyncio.run(play())


def test_new_runs_are_seen_without_being_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.05)
    monkeypatch.setattr(module, "LEAST_PAUSE", 0.0)
    house = house_of(tmp_path)
    with pytest.raises(Refusal) as caught:
        house.run("late")
    assert caught.value.status == 404
    run_of(tmp_path, "late")

    async def play() -> None:
        work = asyncio.create_task(house.keep_looking())
        async with asyncio.timeout(20):
            while not house.catalogue.runs:
                await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(play())
    assert house.run("late").id == "late" and house.limits.max_images == 8

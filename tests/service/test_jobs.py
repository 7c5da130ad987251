import asyncio
import time

import numpy as np
import pytest

from sdexp.engine.images import png_bytes
from sdexp.ground.serving import MakeGrid, MakePictures, Progress
from sdexp.service import jobs as module
from sdexp.service.jobs import Job, KeptJobs
from tests.service.told_models import made


def job(name: str = "a", shots: int = 2) -> Job:
    from sdexp.ground.sampling import OWN_NOISE, Sampling
    from sdexp.ground.serving import Shot, Weights

    sampling = Sampling("ddim", 5, 2.0, "", 64, 64)
    shot = Shot(Weights("run", "run"), 1.0, "a cat", 7, OWN_NOISE, sampling)
    recipe = {"num_inference_steps": 5}
    return Job("pictures", recipe, ["run"] * shots, MakePictures(name, [shot] * shots))


def test_a_job_tells_how_far_it_is() -> None:
    one = job()
    assert one.told(3)["position"] == 3 and one.told(0)["status"] == "queued"
    assert one.told(0)["progress"] == {
        "picture": 0, "pictures": 2, "model": None, "step": 0, "steps": 5,
    }  # fmt: skip
    one.begin()
    changed = one.changed
    one.progress = Progress("a", 1, 2, 4, 5)
    one.add(made("a", 1, one.order.shots[1]))
    assert changed.is_set() and not one.changed.is_set()
    told = one.told(0)
    assert told["progress"]["model"] == "run" and told["progress"]["step"] == 4
    (picture,) = told["pictures"]
    assert picture["url"] == "/api/jobs/a/pictures/1.png" and picture["seed"] == 7
    assert (picture["width"], picture["height"]) == (16, 8)
    one.end("finished")
    assert one.is_over and one.told(0)["seconds"] >= 0


def test_a_grid_makes_many_pictures_for_each_of_the_weights() -> None:
    one = job()
    one.order = MakeGrid("a", one.order.shots, 4, 140)
    one.ids = ["original", "run"]
    for picture, name in ((0, "original"), (15, "original"), (16, "run"), (31, "run")):
        one.progress = Progress("a", picture, 32, 1, 5)
        assert one.told(0)["progress"]["model"] == name


def test_a_job_is_forsaken_once_nobody_asks_or_listens() -> None:
    one = job()
    one.asked -= 10
    assert one.is_forsaken(5) and not one.is_forsaken(20)
    one.watchers = 1
    assert not one.is_forsaken(5)
    one.watchers = 0
    one.touch()
    assert not one.is_forsaken(5)


def test_jobs_that_are_over_are_forgotten_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = len(png_bytes(np.full((8, 16, 3), 7, np.uint8)))
    monkeypatch.setattr(module, "KEPT_BYTES", 3 * size)
    kept = KeptJobs()
    jobs = [job(str(number), 1) for number in range(6)]
    for one in jobs:
        kept.add(one)
        one.add(made(one.id, 0, one.order.shots[0]))
    for one in jobs[:5]:
        one.end("finished")
    kept.forget()
    # Somebody may be about to fetch them.
    assert all(kept.get(str(number)) for number in range(6))
    monkeypatch.setattr(module, "FRESH_SECONDS", -1.0)
    kept.forget()
    # The last is not over yet.
    assert [kept.get(str(number)) is not None for number in range(6)] == [False] * 2 + [True] * 4
    monkeypatch.setattr(module, "KEPT_SECONDS", 1)
    jobs[2].ended = time.monotonic() - 2
    kept.forget()
    assert kept.get("2") is None and kept.get("3") is not None
    monkeypatch.setattr(module, "KEPT_JOBS", 1)
    kept.forget()
    assert kept.get("3") is None and kept.get("4") is not None


def test_something_happens_in_the_time_or_not() -> None:
    async def play() -> None:
        event = asyncio.Event()
        assert not await module.happens(event, 0.01)
        asyncio.get_running_loop().call_later(0.01, event.set)
        assert await module.happens(event, 10)

    asyncio.run(play())


def test_names_of_jobs_cannot_be_guessed() -> None:
    names = {module.new_id() for _ in range(100)}
    assert len(names) == 100 and min(map(len, names)) >= 16

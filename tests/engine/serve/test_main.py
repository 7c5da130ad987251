"""The process that owns the models, started as the service starts it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from sdexp.engine.serve.__main__ import device_of, free_bytes
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.ground.serving import (
    Cancel,
    CannotStart,
    Ended,
    Made,
    MakeGrid,
    MakePictures,
    Message,
    ModelsSettings,
    PreviewShown,
    Progress,
    Prove,
    Proved,
    Ready,
    decode,
    encode,
)
from tests.engine.serve.trained import (
    SAMPLING,
    copied,
    lose_a_tensor,
    opened,
    pixels_sha256,
    runs_of,
    shot,
    weights,
    weights_file,
)

SECONDS = 120


class Owner:
    """The process, and what it reports."""

    def __init__(self, settings: ModelsSettings, store: Path) -> None:
        self.socket, theirs = socket.socketpair()
        words = [str(theirs.fileno()), encode(settings).decode()]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sdexp.engine.serve", *words],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"SDEXP_STORE": str(store)},
        )
        theirs.close()
        self.socket.settimeout(SECONDS)
        self._lines = self.socket.makefile("rb")

    def tell(self, message: Message) -> None:
        self.socket.sendall(encode(message))

    def hear(self) -> Any:
        line = self._lines.readline()
        assert line, "the process is gone"
        return decode(line)

    def prove(self, order: Prove) -> Proved:
        self.tell(order)
        told = self.hear()
        assert isinstance(told, Proved)
        return told

    def until_end(self) -> list[Any]:
        """All reports of a job, without previews."""
        heard = [self.hear()]
        while not isinstance(heard[-1], Ended):
            heard.append(self.hear())
        return [report for report in heard if not isinstance(report, PreviewShown)]

    def done(self, order: Message) -> list[Any]:
        self.tell(order)
        return self.until_end()

    def close(self) -> int:
        self._lines.close()
        self.socket.close()
        return self.process.wait(timeout=SECONDS)


@dataclass(frozen=True)
class World:
    """A process that serves a good run and one that lacks a tensor."""

    owner: Owner
    good: RunFolder
    bad: RunFolder
    free: int


@pytest.fixture(scope="module")
def world(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("served")
    owner = Owner(ModelsSettings("cpu", None, None), root / "store")
    good = runs_of(tiny).first
    bad = copied(runs_of(tiny).second, root / "bad")
    lose_a_tensor(weights_file(bad))
    ready = owner.hear()
    assert isinstance(ready, Ready) and ready.device == "cpu"
    yield World(owner, good, bad, ready.free_bytes)
    owner.close()


def test_half_of_what_is_free_is_left_for_pictures(world: World) -> None:
    # Others may take or give back memory between the two looks.
    assert world.free == pytest.approx(psutil.virtual_memory().available / 2, rel=0.3)


def test_weights_are_proved_and_refused_by_one_process(world: World) -> None:
    original = weights(world.good, "original")
    assert world.owner.prove(Prove(original)) == Proved(original, None, False, None)
    good = world.owner.prove(Prove(weights(world.good)))
    assert good.applied is not None and good.applied.applied > 0 and good.has_strength
    assert good.applied.missing == () and good.refused is None
    bad = world.owner.prove(Prove(weights(world.bad)))
    assert bad.applied is None and bad.refused is not None and "tensors missing" in bad.refused
    assert world.owner.prove(Prove(weights(world.good))) == good


def test_pictures_come_with_every_step_and_from_the_store_the_second_time(world: World) -> None:
    shots = [shot(weights(world.good, "original")), shot(weights(world.good))]
    first = world.owner.done(MakePictures("one", shots))
    steps = [report for report in first if isinstance(report, Progress)]
    assert steps == [Progress("one", k, 2, step, 2) for k in (0, 1) for step in (0, 1, 2)]
    made = [report for report in first if isinstance(report, Made)]
    assert first[-1] == Ended("one", "finished") and len(made) == 2
    for one, name in zip(made, ("original", "finetuned"), strict=True):
        assert one.sha256 == pixels_sha256(one) and not one.from_store
        pixels, texts = opened(one.png)
        assert pixels.shape == (32, 32, 3)
        assert texts["parameters"].startswith("a big red heart\nSteps: 2, Sampler: ddim")
        assert json.loads(texts["sdexp"])["weights"] == name
    assert made[1].differs and made[1].drift is not None and made[1].drift > 0
    second = world.owner.done(MakePictures("two", shots))
    again = [report for report in second if isinstance(report, Made)]
    assert [one.from_store for one in again] == [True, True]
    assert [replace(one, job="one", from_store=False) for one in again] == made


def test_a_job_is_left_within_a_step(world: World) -> None:
    # Large enough that a step takes longer than a line on its way.
    slow = replace(SAMPLING, num_inference_steps=200, height=256, width=256)
    owner = world.owner
    owner.tell(MakePictures("long", [shot(weights(world.good), sampling=slow)]))
    reached = 0
    while reached < 2:
        told = owner.hear()
        reached = told.step if isinstance(told, Progress) else reached
    owner.tell(Cancel("long"))
    after = owner.until_end()
    assert after[-1] == Ended("long", "cancelled")
    # One may have been on its way, one step was at work; more only where the machine is busy.
    assert len(after) - 1 <= 6
    # The name is free again, and the model is the original.
    shots = [shot(weights(world.good, "original"), seed=11), shot(weights(world.good), strength=0)]
    ended = owner.done(MakePictures("long", [*shots, replace(shots[1], seed=11)]))
    assert ended[-1] == Ended("long", "finished")
    assert [one.differs for one in ended if isinstance(one, Made)] == [None, None, False]


def test_a_job_that_fails_says_why_and_the_next_one_works(world: World) -> None:
    (told,) = world.owner.done(MakePictures("bad", [shot(weights(world.bad))]))
    assert told.job == "bad" and told.status == "failed" and "tensors missing" in told.reason
    strong = shot(weights(world.good), sampling=replace(SAMPLING, guidance_scale=1e38))
    failed = world.owner.done(MakePictures("far", [strong]))[-1]
    assert failed.status == "failed" and "no finite numbers" in failed.reason
    next_ = world.owner.done(MakePictures("good", [shot(weights(world.good), seed=12)]))
    assert next_[-1] == Ended("good", "finished")


def test_grids_are_made(world: World) -> None:
    shots = [shot(weights(world.good, "original")), shot(weights(world.good))]
    heard = world.owner.done(MakeGrid("grid", shots, 2, 32))
    assert heard[-1] == Ended("grid", "finished")
    made = [report for report in heard if isinstance(report, Made)]
    assert [one.picture for one in made] == [0, 1] and made[0].sha256 != made[1].sha256
    # Two cells of 32 pixels, borders of 3, and a pixel inside the block.
    assert {opened(one.png)[0].shape for one in made} == {(71, 71, 3)}
    assert {report.pictures for report in heard if isinstance(report, Progress)} == {8}


def test_a_device_that_is_not_there_ends_it_with_a_reason(world: World, tmp_path: Path) -> None:
    absent = next(name for name in ("mps", "cuda") if name != device_of("auto"))
    owner = Owner(ModelsSettings(absent, None, None), tmp_path)
    told = owner.hear()
    assert isinstance(told, CannotStart) and f"device={absent}" in told.reason
    assert owner.close() == 0
    assert world.owner.process.poll() is None


def test_the_best_device_is_one_that_is_there() -> None:
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    assert device_of("cpu") == "cpu"
    assert device_of("auto") == next(name for name, is_there in there.items() if is_there)
    for name, is_there in there.items():
        if not is_there:
            with pytest.raises(ConfigError, match=f"device={name}: this machine has none"):
                device_of(name)


def test_free_memory_is_what_the_system_has_left() -> None:
    """Others may take or give back some in the meantime."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = 1024 * int(lines["MemAvailable"].split()[0])
    assert abs(free_bytes("cpu") - available) < 2**30

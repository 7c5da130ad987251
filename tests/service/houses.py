"""A service over folders of runs that nobody trained, with a process that does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdexp.ground.build import typed, write_config
from sdexp.ground.run import RunFolder
from sdexp.launch.app_settings import AppSettings
from sdexp.launch.compose import compose
from sdexp.service import process
from sdexp.service.catalogue import Catalogue
from sdexp.service.desk import Desk
from sdexp.service.house import House
from sdexp.service.jobs import Job
from sdexp.service.server import make_app
from tests import records

CHOICES = {"model": "pocket", "finetune": "lora", "dataset": "pocket"}


def settings(*words: str) -> AppSettings:
    return typed("app", AppSettings, compose("app", list(words)).config)


def run_of(root: Path, name: str, *words: str, **values: Any) -> RunFolder:
    """A run that claims to be trained, with a file of weights that nobody reads."""
    run = RunFolder(root / name)
    run.weights.mkdir(parents=True)
    (run.weights / "some.safetensors").write_bytes(b"weights")
    write_config(run.config, compose("train", ["tracker=none", *words]).config)
    record = replace(records.FINISHED, choices=CHOICES, started=f"2026-01-01T{name}")
    run.write_record(replace(record, **({"base_weights": {"unet": "a"}} | values)))
    return run


def house_of(root: Path, *words: str) -> House:
    catalogue = Catalogue(root)
    catalogue.refresh()
    made = settings(*words)
    return House(made, catalogue, Desk(made, catalogue))


def told_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the process of `told_models` in the place of the real one."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setattr(process, "MODULE", "tests.service.told_models")


@asynccontextmanager
async def at_work(house: House) -> AsyncIterator[None]:
    """The desk works until the end."""
    work = asyncio.create_task(house.desk.run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def over(job: Job, seconds: float = 30) -> Job:
    """The job once it has ended; somebody asks for it all the time."""
    async with asyncio.timeout(seconds):
        while not job.is_over:
            job.touch()
            await asyncio.sleep(0.02)
    return job


def client_of(house: House, token: str | None = None) -> httpx.AsyncClient:
    """A client of the whole application, without a network."""
    transport = httpx.ASGITransport(app=make_app(house, token))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860")

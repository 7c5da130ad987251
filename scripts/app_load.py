"""What the service keeps under load: `python scripts/app_load.py RUNS [CLIENTS [SECONDS]]`.

Clients ask at once and all the time for pictures of mixed recipes, of originals and finetuned
models; some leave at once, some send nonsense. Prints a line of JSON and ends with 1 unless every
picture equals the single client's byte for byte, nothing fails but by 503, memory is flat and
`/api/health` answers within half a second (99 of 100).
"""

import asyncio
import hashlib
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
from app_service import HOME, service, wait_until_ready

# More than are made in the time: most pictures are made while others ask, the rest come again.
RECIPES = 200
# Of 100 clients: those that leave before the end, and those that send nonsense.
LEAVING = 0.2
HOSTILE = 0.2
# Growth of memory that is none: what allocators keep, in bytes.
FLAT = 50e6
HEALTH_SECONDS = 0.5
NONSENSE: list[dict[str, Any]] = [
    {"prompt": "x" * 5000, "models": ["original"]},
    {"prompt": "a cat", "models": ["../../etc/passwd"]},
    {"prompt": "a cat", "models": ["x"], "num_inference_steps": 10**9},
    {"prompt": "\0", "models": [], "path": "/etc/passwd"},
]


def recipes(models: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Mixed requests: samplers, steps, sizes, strengths, and switching between models."""
    draw = random.Random(0)
    found = []
    for number in range(count):
        chosen = draw.sample(models, 1 + number % 2)
        found.append(
            {
                "prompt": draw.choice(["a big red heart", "two small blue stars", "a green dog"]),
                "models": [model["id"] for model in chosen],
                "seed": draw.randrange(1000),
                "sampler": draw.choice(["ddim", "euler", "euler_a", "dpm_solver"]),
                "num_inference_steps": draw.choice([2, 3, 5]),
                "guidance_scale": draw.choice([1.0, 2.0, 4.5]),
                "width": draw.choice([64, 72]),
                "lora_scale": draw.choice([0.5, 1.0]) if chosen[0]["has_strength"] else None,
            }
        )
    return found


async def files(client: httpx.AsyncClient, job: dict[str, Any]) -> list[str]:
    """sha256 of each file of a job, as a client has it."""
    answers = [await client.get(picture["url"]) for picture in job["pictures"]]
    return [hashlib.sha256(answer.content).hexdigest() for answer in answers]


class Load:
    """Everything that is seen on the way."""

    def __init__(self, asked: list[dict[str, Any]]) -> None:
        self.asked = asked
        self.expected: list[list[str]] = []
        self.statuses: Counter[int] = Counter()
        self.wrong = 0
        self.equal = 0
        self.health: list[float] = []
        self.memory: list[int] = []
        self.broken: Counter[str] = Counter()

    async def picture(self, client: httpx.AsyncClient, number: int) -> None:
        answer = await client.post("/api/generate", json=self.asked[number])
        self.statuses[answer.status_code] += 1
        if answer.status_code == 503:
            await asyncio.sleep(min(2, int(answer.headers["retry-after"])))
            return
        job = await self.over(client, answer.json())
        if job["status"] != "finished":
            self.broken[str(job["detail"])] += 1
            return
        found = await files(client, job)
        self.equal += found == self.expected[number]
        self.wrong += found != self.expected[number]

    async def over(self, client: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
        while job["status"] in ("queued", "running"):
            await asyncio.sleep(0.2)
            answer = await client.get(f"/api/jobs/{job['id']}")
            self.statuses[answer.status_code] += 1
            if answer.status_code != 200:
                return {"status": "lost", "detail": answer.text, "pictures": []}
            job = answer.json()
        return job

    async def client(self, number: int, until: float) -> None:
        draw = random.Random(number)
        async with httpx.AsyncClient(base_url=HOME, timeout=60) as client:
            while time.monotonic() < until:
                chance = draw.random()
                place = draw.randrange(len(self.asked))
                if chance < HOSTILE:
                    answer = await client.post("/api/generate", json=draw.choice(NONSENSE))
                    self.statuses[answer.status_code] += 1
                elif chance < HOSTILE + LEAVING:
                    answer = await client.post("/api/generate", json=self.asked[place])
                    self.statuses[answer.status_code] += 1
                    if answer.status_code == 202:
                        await client.delete(answer.headers["location"])
                else:
                    await self.picture(client, place)

    async def look(self, pid: int, until: float) -> None:
        """Health and memory, ten times a second."""
        family = psutil.Process(pid)
        async with httpx.AsyncClient(base_url=HOME, timeout=60) as client:
            while time.monotonic() < until:
                began = time.monotonic()
                answer = await client.get("/api/health")
                self.health.append(time.monotonic() - began)
                self.statuses[answer.status_code] += 1
                processes = [family, *family.children(recursive=True)]
                self.memory.append(sum(one.memory_info().rss for one in processes))
                await asyncio.sleep(0.1)


async def alone() -> Load:
    """What a single client gets."""
    async with httpx.AsyncClient(base_url=HOME, timeout=60) as client:
        models = (await client.get("/api/models")).json()["models"]
        served = [model for model in models if model["refused"] is None]
        load = Load(recipes(served, RECIPES))
        for asked in load.asked:
            answer = await client.post("/api/generate", json=asked)
            job = await load.over(client, answer.json())
            load.expected.append(await files(client, job))
    return load


async def together(pid: int, load: Load, clients: int, seconds: float) -> dict[str, Any]:
    """What many get from a service that has made nothing yet."""
    load.statuses.clear()
    until = time.monotonic() + seconds
    await asyncio.gather(load.look(pid, until), *(load.client(k, until) for k in range(clients)))
    health = sorted(load.health)
    # After the first tenth, in which caches fill.
    early, late = (load.memory[len(load.memory) // 10], load.memory[-1])
    return {
        "clients": clients,
        "seconds": seconds,
        "equal": load.equal,
        "wrong": load.wrong,
        "broken": dict(load.broken),
        "statuses": dict(sorted(load.statuses.items())),
        "memory_mb": [round(early / 1e6), round(late / 1e6)],
        "health_p99_ms": round(1000 * health[int(0.99 * len(health))]),
        "holds": not load.wrong
        and load.equal > 0
        and not load.broken
        and all(status < 500 or status == 503 for status in load.statuses)
        and late - early < FLAT
        and health[int(0.99 * len(health))] < HEALTH_SECONDS,
    }


def main() -> int:
    runs = Path(sys.argv[1])
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60.0
    with service(runs):
        wait_until_ready()
        load = asyncio.run(alone())
    with service(runs) as pid:
        wait_until_ready()
        found = asyncio.run(together(pid, load, clients, seconds))
    print(json.dumps(found))
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())

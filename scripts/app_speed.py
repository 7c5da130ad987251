"""How fast the service is: `python scripts/app_speed.py RUN [ROUNDS]`.

From the start of the command to the first picture, and pictures per second through the whole
service (one client, jobs of eight pictures, scores with them) over those of a bare loop that calls
the pipeline of the same weights; both in turn, in new processes each time, as a ratio.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from app_service import HOME, service

from sdexp.api import Run

PICTURES = 8
STEPS = 20
PROMPT = "a big red heart"


def done(client: httpx.Client, asked: dict[str, Any]) -> dict[str, Any]:
    """A job, once it is over; one client listens as the page does."""
    job: dict[str, Any] = client.post("/api/generate", json=asked).json()
    with client.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        for _ in events.iter_lines():
            pass
    over: dict[str, Any] = client.get(f"/api/jobs/{job['id']}").json()
    assert over["status"] == "finished", over["detail"]
    return over


def first_picture(client: httpx.Client) -> None:
    """Wait for the service and have one picture made."""
    while True:
        try:
            models = client.get("/api/models").json()["models"]
            break
        except httpx.TransportError:
            time.sleep(0.05)
    run = next(model["id"] for model in models if model["kind"] == "run")
    job = done(client, {"prompt": PROMPT, "models": [run], "seed": 0})
    assert client.get(job["pictures"][0]["url"]).headers["content-type"] == "image/png"


def through_service(client: httpx.Client, run: str, seed: int) -> float:
    """Seconds of a job of pictures that nobody has made before."""
    asked = {
        "prompt": PROMPT,
        "models": [run],
        "seed": seed,
        "num_images": PICTURES,
        "num_inference_steps": STEPS,
        "guidance_scale": 2.0,
    }
    began = time.perf_counter()
    job = done(client, asked)
    for picture in job["pictures"]:
        client.get(picture["url"])
        assert not picture["from_store"]
    return time.perf_counter() - began


def bare_loop(run: str, seeds: list[str]) -> None:
    """Print the seconds of as many calls of the pipeline, a picture each, for each of the seeds."""
    import torch

    pipeline = Run(Path(run)).pipeline("finetuned")
    pipeline.set_progress_bar_config(disable=True)
    for seed in map(int, seeds):
        began = time.perf_counter()
        for number in range(PICTURES):
            generator = torch.Generator().manual_seed(seed + number)
            pipeline(PROMPT, num_inference_steps=STEPS, guidance_scale=2.0, generator=generator)
        print(time.perf_counter() - began, flush=True)


def measure(run: Path) -> tuple[float, float, float]:
    """Seconds to the first picture, of a job, and of the bare loop: new processes each time.

    Where memory lies makes one process up to a fifth faster than its like.
    """
    began = time.perf_counter()
    with service(run), httpx.Client(base_url=HOME, timeout=120) as client:
        first_picture(client)
        start = time.perf_counter() - began
        through_service(client, run.name, 10**6)
        served = median(through_service(client, run.name, 1000 * n) for n in range(1, 4))
    words = [sys.executable, __file__, "--bare", str(run), "0", "1000", "2000", "3000"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    _, *bare = map(float, said.split())
    return start, served, median(bare)


def main() -> None:
    if sys.argv[1] == "--bare":
        bare_loop(sys.argv[2], sys.argv[3:])
        return
    run = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    found = [measure(run) for _ in range(rounds)]
    told = {
        "start_to_first_picture_s": round(median(start for start, _, _ in found), 1),
        "pictures_per_second": round(PICTURES / median(served for _, served, _ in found), 2),
        "bare_loop": round(PICTURES / median(bare for _, _, bare in found), 2),
        "over_bare_loop": round(median(bare / served for _, served, bare in found), 3),
        "ratios": sorted(round(bare / served, 3) for _, served, bare in found),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()

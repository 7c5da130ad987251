"""How fast the service is: `python scripts/app_speed.py RUN [ROUNDS]`.

From the start of the command to the first picture, and pictures per second through the whole
service (one client, jobs of eight pictures, scores with them) over those of a bare loop that calls
the pipeline of the same weights; both in turn, in new processes each time, as a ratio. Then the
same jobs without the server, in turn with the loop in one process, where memory lies the same.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from app_service import HOME, service

from sdexp.api import Run
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import OWN_NOISE
from sdexp.ground.serving import MakePictures, Report, Shot, Weights, encode
from sdexp.ground.store import Store
from sdexp.recipes import read_recipes

PICTURES = 8
STEPS = 20
GUIDANCE = 2.0
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


def settings(run: Path) -> dict[str, Any]:
    """How every picture is made, by their names here and in a pipeline."""
    side = read_recipes(RunFolder(run).config).model.native_resolution()
    return {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "width": side, "height": side}


def through_service(client: httpx.Client, run: Path, seed: int) -> float:
    """Seconds of a job of pictures that nobody has made before."""
    asked = {"prompt": PROMPT, "models": [run.name], "seed": seed, "num_images": PICTURES}
    asked |= settings(run)
    began = time.perf_counter()
    job = done(client, asked)
    for picture in job["pictures"]:
        client.get(picture["url"])
        assert not picture["from_store"]
    return time.perf_counter() - began


def timed(work: Callable[[int], None], seed: int) -> float:
    began = time.perf_counter()
    work(seed)
    return time.perf_counter() - began


def bare_loop(run: Path) -> Callable[[int], None]:
    """As many calls of the pipeline, a picture each, from a seed on."""
    import torch

    pipeline = Run(run).pipeline("finetuned")
    pipeline.set_progress_bar_config(disable=True)
    how = settings(run)

    def work(seed: int) -> None:
        for number in range(PICTURES):
            generator = torch.Generator().manual_seed(seed + number)
            pipeline(PROMPT, generator=generator, **how)

    return work


class Silent:
    """In the place of the channel to the server: reports are written and go nowhere."""

    def send(self, report: Report) -> None:
        encode(report)

    def check(self, job: str) -> None:
        """Nobody cancels."""


def jobs_alone(run: Path, store: Path) -> Callable[[int], None]:
    """The same pictures, made and scored as the process that owns the models does it."""
    from sdexp.engine.serve.jobs import Jobs
    from sdexp.engine.serve.residents import Residents

    how = settings(run)
    evaluation = read_recipes(RunFolder(run).config).evaluation
    sampling = replace(evaluation.sampling(how["width"]), **how)
    jobs = Jobs(Silent(), Residents("cpu", 2**40), Store(store), None)  # type: ignore[arg-type]
    weights = Weights(str(run), "run")

    def work(seed: int) -> None:
        seeds = range(seed, seed + PICTURES)
        shots = [Shot(weights, 1.0, PROMPT, one, OWN_NOISE, sampling) for one in seeds]
        jobs.pictures(MakePictures("job", shots))

    return work


def in_one_process(run: Path) -> None:
    """Print how fast jobs are beside the bare loop."""
    with tempfile.TemporaryDirectory() as store:
        jobs, bare = jobs_alone(run, Path(store)), bare_loop(run)
        jobs(0)
        bare(0)
        ratios = [timed(bare, 1000 * n) / timed(jobs, 1000 * n) for n in range(1, 8)]
    print(median(ratios))


def said(mode: str, run: Path) -> list[float]:
    """What this script prints in a process of its own."""
    words = [sys.executable, __file__, mode, str(run)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def measure(run: Path) -> tuple[float, float, float]:
    """Seconds to the first picture, of a job, and of the bare loop: new processes each time.

    Where memory lies makes one process up to a fifth faster than its like.
    """
    began = time.perf_counter()
    with service(run), httpx.Client(base_url=HOME, timeout=120) as client:
        first_picture(client)
        start = time.perf_counter() - began
        through_service(client, run, 10**6)
        served = median(through_service(client, run, 1000 * n) for n in range(1, 4))
    _, *bare = said("--bare", run)
    return start, served, median(bare)


def main() -> None:
    if sys.argv[1] == "--bare":
        work = bare_loop(Path(sys.argv[2]))
        print(*(timed(work, seed) for seed in (0, 1000, 2000, 3000)))
        return
    if sys.argv[1] == "--one":
        in_one_process(Path(sys.argv[2]))
        return
    run = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    found = [measure(run) for _ in range(rounds)]
    told = {
        "start_to_first_picture_s": round(median(start for start, _, _ in found), 1),
        "pictures_per_second": round(PICTURES / median(served for _, served, _ in found), 2),
        "bare_loop": round(PICTURES / median(bare for _, _, bare in found), 2),
        "over_bare_loop": round(median(bare / served for _, served, bare in found), 3),
        "over_bare_loop_in_one_process": round(said("--one", run)[0], 3),
        "ratios": sorted(round(bare / served, 3) for _, served, bare in found),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()

"""What opening a data set of Flickr30k's size takes: `python scripts/bench_data.py [FOLDER]`.

31,783 pictures of 500x375 with five captions each are drawn once into FOLDER
(`outputs/bench_data`), which takes minutes and about 1 GB. Each start is a process of its own, of
which the imports are left out; times in seconds, memory in MB above what the imports took.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES = 31_783
SIZE = (500, 375)
CAPTIONS = 5
CHANGED = 10
WORDS = "a man in a blue shirt is standing on a ladder cleaning a window near two dogs"


def draw(root: Path) -> None:
    """Pictures as large as photos are when saved: soft colours under a little noise."""
    folder = root / "flickr30k_images"
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(_draw_some, [(folder, start) for start in range(0, PICTURES, 500)]))
    draws = np.random.default_rng(0)
    lines = ["image_name| comment_number| comment"]
    for number in range(PICTURES):
        for place in range(CAPTIONS):
            said = " ".join(draws.permutation(WORDS.split())[: 8 + place])
            lines.append(f"{_name(number)}| {place}| {said} .")
    (root / "results.csv").write_text("\n".join(lines) + "\n")


def _name(number: int) -> str:
    return f"{1_000_000_000 + number * 7919}.jpg"


def _draw_some(job: tuple[Path, int]) -> None:
    folder, start = job
    for number in range(start, min(start + 500, PICTURES)):
        _draw_one(folder / _name(number), number)


def _draw_one(path: Path, number: int) -> None:
    draws = np.random.default_rng(number)
    coarse = Image.fromarray(draws.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize(SIZE, Image.Resampling.BICUBIC), dtype=np.int16)
    grain = draws.integers(-6, 7, (SIZE[1], SIZE[0], 1))
    pixels = np.clip(soft + grain, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=85)


def measure(root: Path) -> None:
    """In a process of its own: open all three splits and say what it took."""
    import safetensors.numpy  # noqa: F401

    import sdexp.dataset.files  # noqa: F401
    from sdexp.dataset.base import SPLITS
    from sdexp.launch.compose import compose
    from sdexp.recipes import build_recipes

    words = ["dataset=flickr30k", f"dataset.data_dir={root}", "evaluation=none"]
    recipe = build_recipes(compose("train", words).config).dataset
    before = _peak()
    began = time.perf_counter()
    counts = [len(recipe.open(split)) for split in SPLITS]
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "memory": _peak() - before, "pictures": sum(counts)}))


def _peak() -> float:
    """MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def start(root: Path, store: Path) -> dict[str, float]:
    environment = os.environ | {"SDEXP_STORE": str(store), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, "--measure", str(root)]
    answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    facts: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return facts


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--measure"]:
        measure(Path(arguments[1]))
        return
    root = Path(arguments[0] if arguments else "outputs/bench_data").absolute()
    if not (root / "results.csv").is_file():
        draw(root)
    store = root / "store"
    shutil.rmtree(store, ignore_errors=True)
    print("| start | seconds | memory | pictures |\n|---|---|---|---|")
    say("first: every picture read and decoded", start(root, store))
    say("second: nothing changed", start(root, store))
    for number in range(CHANGED):
        _draw_one(root / "flickr30k_images" / _name(number), PICTURES + number)
    say(f"third: {CHANGED} pictures changed", start(root, store))


def say(what: str, facts: dict[str, float]) -> None:
    numbers = f"{facts['seconds']:.1f} s | {facts['memory']:.0f} MB | {facts['pictures']:,.0f}"
    print(f"| {what} | {numbers} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

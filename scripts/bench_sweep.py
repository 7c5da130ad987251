"""A sweep of 8 runs against 8 separate runs, each with an empty store.

    python scripts/bench_sweep.py [FOLDER] [key=value ...]

Three epochs each, with evaluation; two jobs of the sweep at once, with half of the cores each. Four
separate runs come before the sweep and four after it, so that a machine that slows down slows both.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sdexp.ground.record_files import read_record
from sdexp.ground.records import RunRecord

FIXED = [
    "tracker=none", "dataset.num_train=160", "dataset.num_val=16", "dataset.num_test=64",
    "training.max_train_steps=null", "training.num_train_epochs=3",
    "training.validation_steps=null", "training.validation_images_steps=null",
    "evaluation.num_prompts=32",
]  # fmt: skip
JOBS = 2
RATES, SEEDS = ("3e-4", "1e-3"), ("0", "1", "2", "3")


def run(folder: Path, store: Path, *words: str) -> float:
    """Seconds of one command."""
    command = [sys.executable, "-m", "sdexp.train", *words, f"run_dir={folder}"]
    began = time.monotonic()
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        environment = os.environ | {"SDEXP_STORE": str(store)}
        subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
    return time.monotonic() - began


def separate(root: Path, overrides: list[str], number: int, rate: str, seed: str) -> float:
    store = root / f"store-{number}"
    words = [*FIXED, *overrides, f"optimizer.lr={rate}", f"training.seed={seed}"]
    seconds = run(root / f"separate-{number}", store, *words)
    shutil.rmtree(store)
    return seconds


def evaluating(records: list[Path]) -> float:
    """Seconds of the evaluation stages of these runs."""
    assert len(records) == len(RATES) * len(SEEDS)
    found = [read_record(file, RunRecord).evaluation for file in records]
    return sum(one.seconds for one in found if one is not None)


def main(arguments: list[str]) -> None:
    folders = [argument for argument in arguments if "=" not in argument]
    overrides = [argument for argument in arguments if "=" in argument]
    root = Path(folders[0]) if folders else Path(tempfile.mkdtemp())
    root.mkdir(parents=True, exist_ok=True)
    pairs = [(rate, seed) for rate in RATES for seed in SEEDS]
    grid = [f"optimizer.lr={','.join(RATES)}", f"training.seed={','.join(SEEDS)}"]
    alone = sum(separate(root, overrides, n, *pair) for n, pair in enumerate(pairs[:4]))
    words = ["-m", *FIXED, *overrides, *grid, f"sweep.jobs={JOBS}"]
    together = run(root / "sweep", root / "store", *words)
    alone += sum(separate(root, overrides, n + 4, *pair) for n, pair in enumerate(pairs[4:]))
    print("| | 8 separate runs | the sweep | ratio |\n|---|---|---|---|")
    print(f"| sweep.jobs={JOBS} | {alone:.0f} s | {together:.0f} s | {alone / together:.2f} |")
    # Jobs that run at once have a share of the cores each.
    before = evaluating(sorted(root.glob("separate-*/run.json")))
    after = evaluating(sorted((root / "sweep").glob("*/run.json"))) / JOBS
    print(f"| evaluation stages | {before:.0f} s | {after:.0f} s | {before / after:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1:])

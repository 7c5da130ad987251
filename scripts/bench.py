"""Our training against diffusers' own example scripts, interleaved.

    python scripts/bench.py SCRIPTS PHOTOS [FOLDER] [CASE ...]

SCRIPTS holds train_text_to_image.py and train_text_to_image_lora.py as shipped with the installed
diffusers, PHOTOS is an image folder with captions. Both sides train Stable Diffusion 1.4 with the
same random weights, which are made once, on the same pictures at 128 pixels and batch 1, each
command in a process of its own, in the order A B B A. What is done in FOLDER (`outputs/bench`) is
not done again. A case has no figures where both trained other tensors or had another mean loss.
Cases: `--list`.
"""

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench_cases import CASES, COLD, WARM_UP, Case
from safetensors import safe_open

ROUNDS = 3
SIDES = ("script", "ours")
# Both draw their own noise, and with random weights every loss is near 1.
LOSS_TOLERANCE = 0.03


@dataclass(frozen=True)
class Outcome:
    """Seconds of a step once nothing is new, of all until the weights lie there; GB.

    loss: mean over the steps; layout: names and shapes of what was trained, hashed.
    """

    step: float
    total: float
    first: float
    peak: float
    loss: float
    layout: str


Outcomes: TypeAlias = dict[tuple[str, str, int], Outcome]


class Bench:
    """The commands of both sides, and what they took."""

    def __init__(self, scripts: Path, photos: Path, root: Path) -> None:
        self.scripts = scripts
        self.photos = photos
        self.root = root
        self.model = root / "sd14"
        self.log = root / "results.jsonl"

    def prepare(self) -> None:
        """Random weights of the real architecture, as both sides read them."""
        if (self.model / "model_index.json").is_file():
            return
        from sdexp.launch.compose import compose
        from sdexp.recipes import build_recipes

        words = ["model=sd14", "model.weights=random"]
        build_recipes(compose("train", words).config).model.load("cpu").pipeline.save_pretrained(
            self.model
        )

    def done(self) -> Outcomes:
        """Outcomes by case, side and round."""
        lines = self.log.read_text().splitlines() if self.log.is_file() else []
        rows = [json.loads(line) for line in lines]
        keys = [(row.pop("case"), row.pop("side"), row.pop("round")) for row in rows]
        return {key: Outcome(**row) for key, row in zip(keys, rows, strict=True)}

    def run(self, name: str) -> None:
        """The rounds of a case that are missing, the order turned about in every other one."""
        for number in range(ROUNDS):
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                if (name, side, number) not in self.done():
                    outcome = getattr(self, side)(CASES[name])
                    row = {"case": name, "side": side, "round": number, **asdict(outcome)}
                    with self.log.open("a") as log:
                        log.write(json.dumps(row) + "\n")

    def script(self, case: Case) -> Outcome:
        """One command of diffusers' script; its own log has the time of every step."""
        out = self.root / "script"
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, str(self.scripts / f"{case.script}.py"), *case.flags.split()]
        command += [
            f"--pretrained_model_name_or_path={self.model}", f"--train_data_dir={self.photos}",
            "--resolution=128", "--train_batch_size=1", "--center_crop", "--seed=0",
            f"--max_train_steps={case.steps}", f"--output_dir={out}", "--report_to=tensorboard",
        ]  # fmt: skip
        began, peak = self._timed(command, {})
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(next((out / "logs").rglob("events*")).parent))
        events.Reload()
        scalars = events.Scalars("train_loss")
        return outcome(began, [s.wall_time for s in scalars], [s.value for s in scalars],
                       out / case.file, peak)  # fmt: skip

    def ours(self, case: Case) -> Outcome:
        """One command of ours; the store is emptied for a cold one."""
        store = self.root / "store"
        cold = self.root / "cold"
        shutil.rmtree(cold, ignore_errors=True)
        if case.store != COLD and not (store / "warm").exists():
            self._ours(WARM_UP, store)
            (store / "warm").touch()
        return self._ours(case, cold if case.store == COLD else store)

    def _ours(self, case: Case, store: Path) -> Outcome:
        out = self.root / "ours"
        shutil.rmtree(out, ignore_errors=True)
        command = [
            sys.executable, "-m", "sdexp.train", "model=sd14", "evaluation=none", "tracker=none",
            f"model.pretrained_model_name_or_path={self.model}", "dataset=imagefolder",
            f"dataset.data_dir={self.photos}", "training.resolution=128", "training.seed=0",
            "training.train_batch_size=1", "training.validation_steps=null",
            "training.validation_images_steps=null", "training.checkpointing_steps=null",
            f"training.max_train_steps={case.steps}", f"run_dir={out}", *case.ours.split(),
        ]  # fmt: skip
        began, peak = self._timed(command, {"SDEXP_STORE": str(store)})
        rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        losses = [row for row in rows if row["name"] == "loss"]
        return outcome(began, [row["time"] for row in losses], [row["value"] for row in losses],
                       out / "weights" / case.file, peak)  # fmt: skip

    def _timed(self, command: list[str], variables: dict[str, str]) -> tuple[float, float]:
        """When a command began, and the most memory that one of its processes held."""
        environment = os.environ | {"HF_HUB_OFFLINE": "1"} | variables
        began = time.time()
        with (self.root / "last.log").open("w") as log:
            child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"failed: {' '.join(command)}\nsee {self.root / 'last.log'}")
        return began, used.ru_maxrss * 1024 / 1e9


def outcome(
    began: float, times: list[float], losses: list[float], file: Path, peak: float
) -> Outcome:
    """Of the last two thirds of the steps, when nothing is new any more."""
    taken = [after - before for before, after in zip(times, times[1:], strict=False)]
    warm = taken[len(taken) // 3 :]
    return Outcome(
        step=statistics.median(warm),
        total=file.stat().st_mtime - began,
        first=times[0] - began,
        peak=peak,
        loss=statistics.mean(losses),
        layout=layout_of(file),
    )


def layout_of(file: Path) -> str:
    """What a file of weights holds, without the values."""
    with safe_open(file, "pt") as opened:
        names = sorted(opened.offset_keys())
        shapes = [f"{name} {opened.get_slice(name).get_shape()}" for name in names]
    return hashlib.sha256("\n".join(shapes).encode()).hexdigest()


def faults(name: str, done: Outcomes) -> list[str]:
    """Why the figures of a case cannot be compared."""
    sides = {side: [done[name, side, k] for k in range(ROUNDS)] for side in SIDES}
    found = []
    if len({one.layout for several in sides.values() for one in several}) > 1:
        found.append("they trained other tensors")
    theirs, ours = (statistics.mean(one.loss for one in sides[side]) for side in SIDES)
    if abs(theirs - ours) > LOSS_TOLERANCE * theirs:
        found.append(f"mean loss {theirs:.4f} and {ours:.4f}")
    return found


def row(name: str, done: Outcomes) -> str | None:
    """A line of the table: medians, and the median of the rounds' ratios with their range."""
    case = CASES[name]
    keys = [(name, side, number) for side in SIDES for number in range(ROUNDS)]
    if not all(key in done for key in keys):
        return None
    if told := faults(name, done):
        return f"| {case.title} | no figures: {'; '.join(told)} | | |"
    theirs, ours = (
        [getattr(done[name, side, number], case.figure) for number in range(ROUNDS)]
        for side in SIDES
    )
    ratios = [one / other for one, other in zip(theirs, ours, strict=True)]
    unit = "GB" if case.figure == "peak" else "s"
    cells = [
        case.title,
        f"{statistics.median(theirs):.2f} {unit}",
        f"{statistics.median(ours):.2f} {unit}",
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})",
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    if arguments == ["--list"]:
        print("\n".join(f"{name}: {case.title}" for name, case in CASES.items()))
        return
    names = [argument for argument in arguments if argument in CASES]
    places: list[Any] = [Path(a).resolve() for a in arguments if a not in CASES]
    scripts, photos, root = [*places, Path("outputs/bench").resolve()][:3]
    root.mkdir(parents=True, exist_ok=True)
    bench = Bench(scripts, photos, root)
    bench.prepare()
    for name in names or CASES:
        bench.run(name)
    rows = [row(name, bench.done()) for name in CASES]
    print("| | diffusers' script | sdexp | times as fast |\n|---|---|---|---|")
    print("\n".join(line for line in rows if line is not None))


if __name__ == "__main__":
    main(sys.argv[1:])

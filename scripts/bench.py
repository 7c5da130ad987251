"""Our training against diffusers' own example scripts, interleaved.

    python scripts/bench.py SCRIPTS PHOTOS [FOLDER] [CASE ...]

SCRIPTS holds train_text_to_image.py and train_text_to_image_lora.py as shipped with the installed
diffusers, PHOTOS is an image folder with captions. Both sides train Stable Diffusion 1.4 with the
same random weights, which are made once, on the same pictures at 128 pixels and batch 1, with a
constant rate and clipping at 1, each command in a process of its own; every round runs all of
them, every other one backwards. What is done in FOLDER (`outputs/bench`) is not done again. A case
has no figures where both trained other tensors or had another mean loss. `--list` names the cases.
"""

import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench_cases import CASES, WARM_UP, Case, Ours, Script, commands
from bench_plot import draw
from safetensors import safe_open

ROUNDS = 3
# Standard errors by which the mean losses may differ: both draw noise of their own.
ERRORS = 4


@dataclass(frozen=True)
class Outcome:
    """Seconds of a step once nothing is new, until the first step and until the weights; GB.

    loss: mean over the steps, with its standard error; layout: shapes of what was trained, hashed.
    """

    step: float
    first: float
    total: float
    peak: float
    loss: float
    loss_error: float
    layout: str


Outcomes: TypeAlias = dict[tuple[str, int], Outcome]


class Bench:
    """The commands of both sides, and what they took."""

    def __init__(self, scripts: Path, photos: Path, root: Path) -> None:
        self.scripts = scripts
        self.photos = photos
        self.root = root
        self.model = root / "sd14"
        self.results = root / "results.jsonl"

    def prepare(self) -> None:
        """Random weights of the real architecture, as both sides read them; a filled store."""
        from sdexp.launch.compose import compose
        from sdexp.recipes import build_recipes

        if not (self.model / "model_index.json").is_file():
            words = ["model=sd14", "model.weights=random"]
            model: Any = build_recipes(compose("train", words).config).model.load("cpu")
            model.pipeline.save_pretrained(self.model)
        warm = self.root / "warm"
        if not warm.exists():
            self._ours(WARM_UP)
            warm.touch()

    def done(self) -> Outcomes:
        """Outcomes by command and round."""
        lines = self.results.read_text().splitlines() if self.results.is_file() else []
        rows = [json.loads(line) for line in lines]
        keys = [(row.pop("command"), row.pop("round")) for row in rows]
        return {key: Outcome(**row) for key, row in zip(keys, rows, strict=True)}

    def run(self, number: int, every: list[Script | Ours]) -> None:
        """A round, as far as it is not done yet."""
        for command in every if number % 2 == 0 else reversed(every):
            if (str(command), number) in self.done():
                continue
            taken = self._script(command) if isinstance(command, Script) else self._ours(command)
            row = {"command": str(command), "round": number, **asdict(taken)}
            with self.results.open("a") as results:
                results.write(json.dumps(row) + "\n")
            print(f"round {number + 1}: {command}: {taken.step:.2f} s a step", flush=True)

    def _script(self, command: Script) -> Outcome:
        """Its own log has the time of every step."""
        out = self.root / "script"
        shutil.rmtree(out, ignore_errors=True)
        words = [sys.executable, str(self.scripts / f"{command.name}.py"), *command.flags.split()]
        words += [
            f"--pretrained_model_name_or_path={self.model}", f"--train_data_dir={self.photos}",
            "--resolution=128", "--train_batch_size=1", "--center_crop", "--seed=0",
            "--lr_warmup_steps=0", f"--max_train_steps={command.steps}", f"--output_dir={out}",
            "--report_to=tensorboard",
        ]  # fmt: skip
        began, peak = self._timed(words, {})
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(next((out / "logs").rglob("events*")).parent))
        events.Reload()
        scalars = events.Scalars("train_loss")
        times = [scalar.wall_time for scalar in scalars]
        losses = [scalar.value for scalar in scalars]
        return outcome(began, times, losses, out / command.file, peak)

    def _ours(self, command: Ours) -> Outcome:
        out = self.root / "ours"
        store = self.root / ("cold" if command.is_cold else "store")
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(self.root / "cold", ignore_errors=True)
        words = [
            sys.executable, "-m", "sdexp.train", "model=sd14", "evaluation=none", "tracker=none",
            f"model.pretrained_model_name_or_path={self.model}", "dataset=imagefolder",
            f"dataset.data_dir={self.photos}", "training.resolution=128", "training.seed=0",
            "training.train_batch_size=1", "training.validation_steps=null",
            "training.validation_images_steps=null", "training.checkpointing_steps=null",
            "scheduler=constant", "training.max_grad_norm=1.0",
            f"training.max_train_steps={command.steps}", f"run_dir={out}", *command.words.split(),
        ]  # fmt: skip
        began, peak = self._timed(words, {"SDEXP_STORE": str(store)})
        rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        logged = [row for row in rows if row["name"] == "loss"]
        times = [row["time"] for row in logged]
        losses = [row["value"] for row in logged]
        return outcome(began, times, losses, out / "weights" / command.file, peak)

    def _timed(self, words: list[str], variables: dict[str, str]) -> tuple[float, float]:
        """When a command began, and the most memory that one of its processes held."""
        environment = os.environ | {"HF_HUB_OFFLINE": "1"} | variables
        began = time.time()
        with (self.root / "last.log").open("w") as log:
            child = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
            _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"failed: {' '.join(words)}\nsee {self.root / 'last.log'}")
        return began, used.ru_maxrss * 1024 / 1e9


def outcome(
    began: float, times: list[float], losses: list[float], file: Path, peak: float
) -> Outcome:
    """A step is the median of the last two thirds, in which nothing is new any more."""
    taken = [after - before for before, after in zip(times, times[1:], strict=False)]
    return Outcome(
        step=statistics.median(taken[len(taken) // 3 :]),
        first=times[0] - began,
        total=file.stat().st_mtime - began,
        peak=peak,
        loss=statistics.mean(losses),
        loss_error=statistics.stdev(losses) / len(losses) ** 0.5,
        layout=layout_of(file),
    )


def layout_of(file: Path) -> str:
    """The shapes of what a file of weights holds; its names may be older or newer ones."""
    with safe_open(file, "pt") as opened:
        shapes = sorted(str(opened.get_slice(n).get_shape()) for n in opened.offset_keys())
    return hashlib.sha256("\n".join(shapes).encode()).hexdigest()


def fault(theirs: Outcome, ours: Outcome) -> str | None:
    """Why the figures of two commands cannot be compared."""
    if theirs.layout != ours.layout:
        return "they trained other tensors"
    if abs(theirs.loss - ours.loss) > ERRORS * math.hypot(theirs.loss_error, ours.loss_error):
        return f"mean loss {theirs.loss:.4f} and {ours.loss:.4f}"
    return None


@dataclass(frozen=True)
class Figures:
    """What both sides of a case took in each round."""

    case: Case
    theirs: list[float]
    ours: list[float]

    @property
    def ratios(self) -> list[float]:
        return [one / other for one, other in zip(self.theirs, self.ours, strict=True)]


def figures(case: Case, done: Outcomes) -> Figures | str | None:
    """Those of the rounds that both sides have; why there are none, or None before the first."""
    both = [(str(case.script), str(case.ours))] * ROUNDS
    rounds = [n for n, pair in enumerate(both) if {(side, n) for side in pair} <= {*done}]
    pairs = [(done[str(case.script), n], done[str(case.ours), n]) for n in rounds]
    if not pairs:
        return None
    theirs = [float(getattr(script, case.figure)) for script, _ in pairs]
    ours = [float(getattr(own, case.figure)) for _, own in pairs]
    return fault(*pairs[0]) or Figures(case, theirs, ours)


def line_of(found: Figures) -> str:
    """A line of the table: medians, and the median of the rounds' ratios with their range."""
    unit = "GB" if found.case.figure == "peak" else "s"
    ratios = found.ratios
    cells = [
        found.case.title,
        f"{statistics.median(found.theirs):.2f} {unit}",
        f"{statistics.median(found.ours):.2f} {unit}",
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})",
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    if arguments == ["--list"]:
        print("\n".join(f"{name}: {case.title}" for name, case in CASES.items()))
        return
    names = [argument for argument in arguments if argument in CASES]
    places = [Path(argument).resolve() for argument in arguments if argument not in CASES]
    scripts, photos, root = [*places, Path("outputs/bench").resolve()][:3]
    root.mkdir(parents=True, exist_ok=True)
    bench = Bench(scripts, photos, root)
    bench.prepare()
    for number in range(ROUNDS):
        bench.run(number, commands(names or [*CASES]))
    tell(bench)


def tell(bench: Bench) -> None:
    """The table, and `speed.svg` beside the results."""
    found = [figures(case, bench.done()) for case in CASES.values()]
    good = [one for one in found if isinstance(one, Figures)]
    print("| | diffusers' script | sdexp | ratio |\n|---|---|---|---|")
    print("\n".join(map(line_of, good)))
    for case, one in zip(CASES.values(), found, strict=True):
        if isinstance(one, str):
            print(f"{case.title}: no figures, because {one}")
    draw({one.case.title: one.ratios for one in good}, bench.root / "speed.svg")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Whether the curve over checkpoints picks well: `python scripts/which_checkpoint.py [FOLDER]`.

Trains on 40 pictures for far too long, keeps 10 checkpoints, scores all of them on the val split,
lets the page choose, and then scores all on test, which a person would do with the chosen one
alone. A copy of the run is killed in the midst of its scoring and goes on: its scores must be
the same bytes. Whole commands on the embedded world.
"""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from sdexp.ground.record_files import read_record
from sdexp.ground.records import EvaluationRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.pages.run.checkpoints import steps_of
from sdexp.pages.run.facts import read_facts

STEPS = 10
TRAINING = [
    "tracker=none", "finetune=unet", "evaluation=none", "dataset.num_train=40",
    "training.validation_images_steps=null", "optimizer.lr=3e-4", "scheduler=constant",
    "training.max_train_steps=1000", "training.checkpointing_steps=100",
    f"training.checkpoints_total_limit={STEPS}",
]  # fmt: skip


def command(door: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"sdexp.{door}", *words]


def run_all(run: RunFolder, split: str) -> list[str]:
    """The words that score all checkpoints on a split."""
    return command("evaluate", f"run={run.path}", "checkpoints=all", f"evaluation.split={split}")


def killed(words: list[str], after: int, run: RunFolder) -> None:
    """End a command and what it started once so many evaluations are whole."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    while len([*run.evaluations.glob("*/scores.json")]) < after and child.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    done = len([*run.evaluations.glob("*/scores.json")])
    assert after <= done < STEPS, f"killed after {done} evaluations, not in the midst"


def by_step(run: RunFolder, split: str) -> dict[int, Path]:
    """The scores of each step on a split."""
    found = {}
    for file in sorted(run.evaluations.glob("*/evaluation.json")):
        record = read_record(file, EvaluationRecord)
        of_test = not any(line.startswith("evaluation.split") for line in record.differs)
        if record.checkpoint and of_test == (split == "test"):
            found[record.checkpoint] = file.with_name("scores.json")
    return found


def main(arguments: list[str]) -> None:
    root = Path(arguments[0] if arguments else "outputs/which_checkpoint")
    run, copy = RunFolder(root / "run"), RunFolder(root / "killed")
    if not run.weights.is_dir():
        subprocess.run(command("train", *TRAINING, f"run_dir={run.path}"), check=True)
    shutil.rmtree(copy.path, ignore_errors=True)
    shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("evaluations", "export"))
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(run_all(run, "val"), **quiet)  # type: ignore[call-overload]
    killed(run_all(copy, "val"), 4, copy)
    subprocess.run(run_all(copy, "val"), **quiet)  # type: ignore[call-overload]
    pairs = [(by_step(one, "val")) for one in (run, copy)]
    same = [pairs[0][step].read_bytes() == pairs[1][step].read_bytes() for step in pairs[0]]
    print(f"killed and gone on: {sum(same)} of {len(same)} scores are the same bytes")
    steps = steps_of(run, read_facts(run))
    assert steps is not None
    chosen = next(line.step for line in steps.lines if line.best)
    print(f"val: {steps.sentence}")
    subprocess.run(run_all(run, "test"), **quiet)  # type: ignore[call-overload]
    scores = {s: read_record(f, ScoresRecord) for s, f in sorted(by_step(run, "test").items())}
    print("| step | val | test | 95 % interval of the difference |\n|---|---|---|---|")
    for line in steps.lines:
        metric = scores[line.step].primary_metric
        assert metric.ci95 is not None
        low, high = metric.ci95
        print(
            f"| {line.step} | {line.primary.finetuned:.2f} | {metric.finetuned:.2f} | "
            f"{low:+.2f} to {high:+.2f} |"
        )
    differences = {step: one.primary_metric.difference for step, one in scores.items()}
    best = min(differences, key=lambda step: differences[step])
    interval = scores[chosen].primary_metric.ci95
    assert interval is not None
    within = interval[0] <= differences[best] <= interval[1]
    print(
        f"chosen on val: {chosen}; best on test: {best}, "
        f"{'within' if within else 'OUTSIDE'} the interval of the chosen"
    )


if __name__ == "__main__":
    main(sys.argv[1:])

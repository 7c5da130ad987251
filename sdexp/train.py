"""Door: fine-tune, evaluate and report. `python -m sdexp.train finetune=unet dataset=pocket`.

With `-m`, or a file of the group `sweep`, a sweep over every combination of the values given.
"""

import shlex
import shutil
import sys

from sdexp.ground.run import RunFolder
from sdexp.launch.compose import Composed, compose, only_shows, run_door
from sdexp.launch.dry_run import dry_run, wants_dry_run
from sdexp.launch.freeze import freeze, run_folder
from sdexp.launch.job import carry_out, next_stages
from sdexp.launch.sweep.sweep import sweep
from sdexp.recipes import build_recipes

MULTIRUN = ("-m", "--multirun")


def main(argv: list[str] | None = None) -> int:
    """Train, evaluate, report; returns the exit code."""
    return run_door(_train, argv)


def _train(argv: list[str]) -> int:
    overrides = [argument for argument in argv if argument not in MULTIRUN]
    if only_shows("train", overrides):
        return 0
    if len(overrides) < len(argv):
        return sweep(overrides)
    composed = compose("train", overrides)
    if composed.config.sweep.params:
        return sweep(overrides)
    return _one_run(composed, overrides)


def _one_run(composed: Composed, overrides: list[str]) -> int:
    recipes = build_recipes(composed.config)
    recipes.check_files()
    if wants_dry_run(composed.config):
        return dry_run(composed.config)[0]
    run, is_new = run_folder(composed)
    with run.lock() as lock:
        print(f"run folder: {run.path}", flush=True)
        freeze(run, composed, shlex.join(["python", "-m", "sdexp.train", *overrides]), "running")
        code = carry_out(run, recipes, lock, next_stages(run, recipes))
        if code in (2, 65) and is_new and not run.log.exists():
            shutil.rmtree(run.path)
            print("nothing was trained; the folder is removed", flush=True)
            return code
    _tell(run, code)
    return code


def _tell(run: RunFolder, code: int) -> None:
    if code == 0:
        print(f"weights: {run.weights}", flush=True)
    elif code > 128:
        print(f"stopped; the same command with run_dir={run.path} goes on", flush=True)
    else:
        print(f"run failed with exit code {code}; the folder is kept: {run.path}", flush=True)
    if run.report_html.exists():
        print(f"report: {run.report_html}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

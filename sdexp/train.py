"""Door: fine-tune, evaluate and report. `python -m sdexp.train finetune=unet dataset=pocket`.

With `-m`, or a file of the group `sweep`, a sweep over every combination of the values given.
"""

import shlex
import shutil
import sys

from sdexp.ground.run import RunFolder
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import Composed, compose_run, named_run
from sdexp.launch.door import check_plugins, look_first, run_door, tell_followed
from sdexp.launch.dry_run import dry_run, wants_dry_run
from sdexp.launch.files import PRESETS, option_file
from sdexp.launch.freeze import freeze, run_folder
from sdexp.launch.job import REFUSED, carry_out, next_stages
from sdexp.launch.sweep.sweep import sweep
from sdexp.recipes import build_recipes, read_recipes


def main(argv: list[str] | None = None) -> int:
    """Train, evaluate, report; returns the exit code."""
    return run_door("train", work, argv)


def work(arguments: Arguments) -> int:
    """The same with the faults raised."""
    if arguments.multirun:
        return sweep(arguments)
    composed = _composed(arguments.overrides)
    if composed.config.sweep.params:
        return sweep(arguments)
    return _one_run(composed, arguments.words)


def _composed(overrides: list[str]) -> Composed:
    """The configuration of a new run or of one that is there, which must be whole itself."""
    run = named_run(overrides)
    if run is not None:
        check_plugins(run, f"run_dir={run.path}")
        read_recipes(run.config)
    return compose_run(overrides)


def _one_run(composed: Composed, words: list[str]) -> int:
    recipes = build_recipes(composed.config)
    recipes.check_training()
    warnings = look_first(recipes)
    if wants_dry_run(composed.config):
        return dry_run(composed.config)[0]
    run, is_new = run_folder(composed)
    with run.lock() as lock:
        print(f"run folder: {run.path}", flush=True)
        tell_followed(composed)
        _tell_preset(composed)
        command = shlex.join(["python", "-m", "sdexp.train", *words])
        freeze(run, composed, command, "running", warnings)
        code = carry_out(run, recipes, lock, next_stages(run, recipes))
        if code in REFUSED and is_new and not run.log.exists():
            shutil.rmtree(run.path)
            print("nothing was trained; the folder is removed", flush=True)
            return code
    _tell(run, code)
    return code


def _tell_preset(composed: Composed) -> None:
    """Values that the person may not have typed, and that suit strategy and model."""
    config = composed.config
    values = [
        f"training.train_batch_size={config.training.train_batch_size}",
        f"optimizer.lr={config.optimizer.lr}",
    ]
    chosen = [(g, composed.choices[g]) for g in PRESETS if g in composed.choices]
    names = [name for group, name in chosen if option_file(group, name) is not None]
    print(f"preset: {', '.join(names) or 'none'}; {' '.join(values)}", flush=True)


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

"""Door: fine-tune, evaluate and report. `python -m sdexp.train finetune=unet dataset=pocket`."""

import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sdexp.doors import PACKAGE, Composed, compose, only_shows, run_door, start_worker
from sdexp.engine.recipes import Recipes, build_recipes
from sdexp.ground.build import plain, read_config, write_config
from sdexp.ground.config import Resume
from sdexp.ground.run import RunFolder, disk_faults, new_run_folder
from sdexp.ground.types import ConfigError

OUTPUTS = Path("outputs")
# Where the folder lies and whether it may be continued does not change what a run computes.
NOT_COMPARED = ("run_dir", "resume", "tracker.")


def main(argv: list[str] | None = None) -> int:
    """Train, evaluate, report; returns the exit code."""
    return run_door(_train, argv)


def _train(argv: list[str]) -> int:
    if only_shows("train", argv):
        return 0
    began = time.monotonic()
    composed = compose("train", argv)
    from sdexp.report.page import write_report

    recipes = build_recipes(composed.config)
    recipes.check_files()
    run, is_new = _run_folder(composed)
    with run.lock() as lock:
        print(f"run folder: {run.path}", flush=True)
        _freeze(run, composed, argv)
        run.set_results_aside()
        code = start_worker(run, "train", recipes.hardware.num_processes, lock)
        if code in (2, 65) and is_new and not run.log.exists():
            shutil.rmtree(run.path)
            print("nothing was trained; the folder is removed", flush=True)
            return code
        if code == 0 and recipes.evaluation.enabled:
            code = start_worker(run, "evaluate", 1, lock)
        if code == 0:
            run.finish()
        run.update_record(command_seconds=time.monotonic() - began)
        write_report(run)
    _tell(run, code, recipes)
    return code


def _run_folder(composed: Composed) -> tuple[RunFolder, bool]:
    """A new folder, or the unfinished run of the same configuration in `run_dir`."""
    config = composed.config
    if config.run_dir is None:
        name = f"{composed.choices['finetune']}-{composed.choices['dataset']}"
        return new_run_folder(OUTPUTS, name), True
    run = RunFolder(Path(config.run_dir))
    if run.config.is_file():
        _check_resumable(run, config)
        return run, False
    if run.path.is_file() or run.holds_other_files():
        raise ConfigError(f"run_dir={run.path}: holds files but no run; name a new or empty folder")
    with disk_faults(run.path):
        run.path.mkdir(parents=True, exist_ok=True)
    return run, True


def _check_resumable(run: RunFolder, config: DictConfig) -> None:
    """Raise `ConfigError` when the run in the folder is another one, or finished."""
    if config.resume == Resume.never:
        raise ConfigError(f"run_dir={run.path}: holds a run and resume=never; name a new folder")
    old, new = _flat(plain(read_config(run.config))), _flat(plain(config))
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    grown = "training.max_train_steps"
    may_grow = differing == [grown] and (new[grown] or 0) > (old[grown] or 0)
    if differing and not may_grow:
        changes = ", ".join(f"{k}: {old.get(k)} -> {new.get(k)}" for k in differing)
        raise ConfigError(
            f"run_dir={run.path}: holds a run of another configuration ({changes}); "
            "name a new folder"
        )
    if run.read_record()["status"] == "finished" and not may_grow:
        raise ConfigError(
            f"run_dir={run.path}: this run is finished; name a new folder, or evaluate it again "
            f"with python -m sdexp.evaluate run={run.path}"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves by dotted key, without what does not change the result."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif not f"{prefix}{key}".startswith(NOT_COMPARED):
            found[f"{prefix}{key}"] = value
    return found


def _freeze(run: RunFolder, composed: Composed, argv: list[str]) -> None:
    """Write run.json and config.yaml before anything else; a folder with the latter is a run."""
    commit, dirty = _git()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    run.update_record(
        command=" ".join(["python -m sdexp.train", *argv]),
        evaluate_command=None,
        chosen_later=[],
        grown_from=_grown_from(run, composed.config),
        status="running",
        exit_code=None,
        reason=None,
        started=started,
        ended=None,
        git={"commit": commit, "dirty": dirty},
        choices=composed.choices,
        strategy=composed.choices["finetune"],
        stage="train",
    )
    write_config(run.config, composed.config)


def _grown_from(run: RunFolder, config: DictConfig) -> list[int]:
    """Lengths that this run was meant to have before its `max_train_steps` was raised."""
    if not run.config.is_file():
        return []
    lengths: list[int] = run.read_record()["grown_from"]
    old = read_config(run.config).training.max_train_steps
    return lengths if old == config.training.max_train_steps else [*lengths, old]


def _git() -> tuple[str | None, bool | None]:
    """Commit and dirtiness of the checkout that this package lies in, if it lies in one."""

    def ask(*words: str) -> str | None:
        command = ["git", "-C", str(PACKAGE), *words]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    status = ask("status", "--porcelain", "--untracked-files=no", ".")
    return ask("rev-parse", "HEAD"), None if status is None else bool(status)


def _tell(run: RunFolder, code: int, recipes: Recipes) -> None:
    if code == 0:
        print(f"weights: {run.weights}", flush=True)
    else:
        print(f"run failed with exit code {code}; the folder is kept: {run.path}", flush=True)
    print(f"report: {run.report_html}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

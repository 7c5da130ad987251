"""From a composed configuration to a frozen run folder, and whether an old one may go on."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sdexp.ground.build import plain, read_run_config, write_config
from sdexp.ground.config import Resume
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import make_folder, named_path
from sdexp.ground.pending import now
from sdexp.ground.plugins import trusted
from sdexp.ground.record_files import write_record
from sdexp.ground.records import GitRecord, RunRecord, Status
from sdexp.ground.run import SWEEP_RECORD, RunFolder, new_run_folder
from sdexp.ground.same_run import GROWS, differences
from sdexp.launch.compose import Composed
from sdexp.launch.files import PACKAGE

OUTPUTS = Path("outputs")
# Schedules whose last steps have a rate near 0.
ENDING = ("linear", "cosine")


def run_folder(composed: Composed) -> tuple[RunFolder, bool]:
    """A new folder, or the unfinished run of the same configuration in `run_dir`."""
    config = composed.config
    if config.run_dir is None:
        name = f"{composed.choices['finetune']}-{composed.choices['dataset']}"
        return new_run_folder(OUTPUTS, name), True
    run = RunFolder(named_path("run_dir", config.run_dir))
    if run.config.is_file():
        check_resumable(run, config)
        return run, False
    if (run.path / SWEEP_RECORD).is_file():
        raise ConfigError(f"run_dir={run.path}: holds a sweep; add -m and its values to go on")
    if run.path.is_file() or run.holds_other_files():
        raise ConfigError(f"run_dir={run.path}: holds files but no run; name a new or empty folder")
    make_folder(run.path)
    return run, True


def check_resumable(run: RunFolder, config: DictConfig) -> None:
    """Raise `ConfigError` when the run in the folder is another one, or finished."""
    if config.resume == Resume.never:
        raise ConfigError(f"run_dir={run.path}: holds a run and resume=never; name a new folder")
    differing = changes(run, config)
    may_grow = len(differing) == 1 and all(_has_grown(key, *differing[key]) for key in differing)
    if differing and not may_grow:
        told = ", ".join(f"{key}: {old} -> {new}" for key, (old, new) in differing.items())
        raise ConfigError(
            f"run_dir={run.path}: holds a run of another configuration ({told}); name a new folder"
        )
    if is_complete(run) and not may_grow:
        raise ConfigError(f"run_dir={run.path}: this run is finished; {_remedies(run, config)}")


def is_complete(run: RunFolder) -> bool:
    """Whether nothing of a run is left to do."""
    return run.read_record().status == "finished" and run.weights.is_dir()


def _remedies(run: RunFolder, config: DictConfig) -> str:
    key = next(key for key in GROWS if OmegaConf.select(config, key) is not None)
    longer = f"{key}=a number above {OmegaConf.select(config, key)}"
    name = str(config.scheduler.name)
    ended = f" (its {name} schedule ended there; a longer one has another rate at every step)"
    return (
        f"extend it with {longer}{ended if name in ENDING else ''}, evaluate it again with "
        f"python -m sdexp.evaluate run={run.path}, or name a new folder"
    )


def _has_grown(key: str, old: int | None, new: int | None) -> bool:
    return key in GROWS and (new or 0) > (old or 0)


def changes(run: RunFolder, config: DictConfig) -> dict[str, tuple[Any, Any]]:
    """Old and new value of every key that makes a configuration another run than the folder has."""
    return differences(plain(read_run_config(run.config)), plain(config))


def freeze(
    run: RunFolder, composed: Composed, command: str, status: Status, warnings: list[str]
) -> None:
    """Write record and configuration before anything else; `warnings` go into the report.

    A folder with `config.yaml` is a run; those of one that goes on are pending until its worker
    has checked them.
    """
    is_old = run.config.is_file()
    old = run.read_record() if is_old else RunRecord()
    grown_from = _grown_from(run, old, composed.config) if is_old else []
    record = replace(
        old,
        command=command,
        status=status,
        stage=old.stage if grown_from == old.grown_from else "train",
        exit_code=None,
        reason=None,
        started=now(),
        ended=None,
        choices=composed.choices,
        plugins=trusted(),
        warnings=warnings,
        grown_from=grown_from,
        git=commit(),
    )
    write_record(run.pending_record if is_old else run.record, record)
    write_config(run.pending_config if is_old else run.config, composed.config)


def _grown_from(run: RunFolder, old: RunRecord, config: DictConfig) -> list[int | None]:
    """Steps that this run was meant to have before it was extended; None where nobody knows."""
    before = read_run_config(run.config)
    same = all(OmegaConf.select(before, key) == OmegaConf.select(config, key) for key in GROWS)
    steps = before.training.max_train_steps or (old.training.steps if old.training else None)
    return old.grown_from if same or steps in old.grown_from else [*old.grown_from, steps]


def commit() -> GitRecord:
    """Commit and dirtiness of the checkout that this package lies in, if it lies in one."""

    def ask(*words: str) -> str | None:
        command = ["git", "-C", str(PACKAGE), *words]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    status = ask("status", "--porcelain", "--untracked-files=no", ".")
    return GitRecord(ask("rev-parse", "HEAD"), None if status is None else bool(status))

"""From a composed configuration to a frozen run folder, and whether an old one may go on."""

import math
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sdexp.ground.build import plain, read_config, write_config
from sdexp.ground.config import Resume
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder, disk_faults, new_run_folder
from sdexp.launch.compose import PACKAGE, Composed

OUTPUTS = Path("outputs")
# A run may go on to a later step.
GROWN = "training.max_train_steps"
# Where the folder lies, who is told, and how the work is spread does not change a result.
NOT_COMPARED = (
    "run_dir",
    "resume",
    "dry_run",
    "tracker.",
    "sweep.",
    "hardware.num_processes",
    "hardware.dataloader_num_workers",
    "hardware.timeout",
    "training.checkpointing_steps",
    "training.checkpoints_total_limit",
)
# Of these only the product counts, together with the number of processes.
BATCH = ("training.train_batch_size", "training.gradient_accumulation_steps")


def run_folder(composed: Composed) -> tuple[RunFolder, bool]:
    """A new folder, or the unfinished run of the same configuration in `run_dir`."""
    config = composed.config
    if config.run_dir is None:
        name = f"{composed.choices['finetune']}-{composed.choices['dataset']}"
        return new_run_folder(OUTPUTS, name), True
    run = RunFolder(Path(config.run_dir))
    if run.config.is_file():
        check_resumable(run, config)
        return run, False
    if run.path.is_file() or run.holds_other_files():
        raise ConfigError(f"run_dir={run.path}: holds files but no run; name a new or empty folder")
    with disk_faults(run.path):
        run.path.mkdir(parents=True, exist_ok=True)
    return run, True


def check_resumable(run: RunFolder, config: DictConfig) -> None:
    """Raise `ConfigError` when the run in the folder is another one, or finished."""
    if config.resume == Resume.never:
        raise ConfigError(f"run_dir={run.path}: holds a run and resume=never; name a new folder")
    differing = differences(run, config)
    may_grow = list(differing) == [GROWN] and _has_grown(*differing[GROWN])
    if differing and not may_grow:
        changes = ", ".join(f"{key}: {old} -> {new}" for key, (old, new) in differing.items())
        raise ConfigError(
            f"run_dir={run.path}: holds a run of another configuration ({changes}); "
            "name a new folder"
        )
    if run.read_record()["status"] == "finished" and not may_grow:
        raise ConfigError(
            f"run_dir={run.path}: this run is finished; name a new folder, or evaluate it again "
            f"with python -m sdexp.evaluate run={run.path}"
        )


def _has_grown(old: int | None, new: int | None) -> bool:
    return (new or 0) > (old or 0)


def differences(run: RunFolder, config: DictConfig) -> dict[str, tuple[Any, Any]]:
    """Old and new value of every key that makes a configuration another run than the folder has."""
    old = _compared(read_config(run.config))
    new = _compared(config)
    keys = sorted(old.keys() | new.keys())
    pairs = {key: (old.get(key), new.get(key)) for key in keys}
    return {key: (was, now) for key, (was, now) in pairs.items() if was != now}


def _compared(config: DictConfig) -> dict[str, Any]:
    """What two configurations of one run must have in common, by dotted key."""
    values = _flat(plain(config))
    parts = [values.pop(key) for key in BATCH]
    values["samples per optimizer step"] = math.prod([*parts, config.hardware.num_processes])
    return values


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves by dotted key, without what does not change the result."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif not f"{prefix}{key}".startswith(NOT_COMPARED):
            found[f"{prefix}{key}"] = value
    return found


def freeze(run: RunFolder, composed: Composed, command: str, status: str) -> None:
    """Write run.json and config.yaml before anything else; a folder with the latter is a run."""
    grown_from = _grown_from(run, composed.config)
    commit, dirty = _git()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    run.update_record(
        command=command,
        evaluate_command=None,
        chosen_later=[],
        grown_from=grown_from,
        status=status,
        exit_code=None,
        reason=None,
        started=started,
        ended=None,
        git={"commit": commit, "dirty": dirty},
        choices=composed.choices,
        strategy=composed.choices["finetune"],
        stage=_stage(run, grown_from),
    )
    write_config(run.config, composed.config)


def _stage(run: RunFolder, grown_from: list[int]) -> str:
    """Where an unfinished run goes on; a new or a grown one trains."""
    if not run.config.is_file() or grown_from != run.read_record()["grown_from"]:
        return "train"
    return str(run.read_record()["stage"])


def _grown_from(run: RunFolder, config: DictConfig) -> list[int]:
    """Lengths that this run was meant to have before its `max_train_steps` was raised."""
    if not run.config.is_file():
        return []
    lengths: list[int] = run.read_record()["grown_from"]
    old = read_config(run.config).training.max_train_steps
    new = config.training.max_train_steps
    return lengths if old == new or old in lengths else [*lengths, old]


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

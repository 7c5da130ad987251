"""What `dry_run=true` and `dry_run=step` do instead of a run; leaves nothing behind."""

import tempfile
from pathlib import Path

from omegaconf import DictConfig

from sdexp.ground.build import write_config
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import disk_faults, named_path
from sdexp.ground.record_files import read_record
from sdexp.ground.records import PlanRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.units import amount, duration
from sdexp.launch.freeze import OUTPUTS, check_resumable
from sdexp.launch.job import run_stages

STEP = "step"
PREFIX = "sdexp-dry-run-"


def wants_dry_run(config: DictConfig) -> bool:
    """Whether `dry_run` is set; raises `ConfigError` for a value that it does not have."""
    value = config.dry_run
    if not (isinstance(value, bool) or value == STEP):
        raise ConfigError(f"dry_run={value}: allowed are false, true and {STEP}")
    return value is not False


def dry_run(config: DictConfig) -> tuple[int, PlanRecord | None]:
    """Say what the run would need; the exit code and, where it is 0, what was found."""
    place = OUTPUTS if config.run_dir is None else named_path("run_dir", config.run_dir)
    if RunFolder(place).config.is_file():
        check_resumable(RunFolder(place), config)
    if config.run_dir is None:
        config.run_dir = str(place)
    parent = Path(tempfile.gettempdir())
    with disk_faults(parent), tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as folder:
        run = RunFolder(Path(folder))
        write_config(run.config, config)
        with run.lock() as lock:
            code = run_stages(run, ["plan"], 1, lock).exit_code
        return code, None if code else read_record(run.plan, PlanRecord)


def say_total(plans: list[PlanRecord]) -> None:
    """What several runs need together, one after the other."""
    steps = sum(plan.steps for plan in plans)
    disk = amount(sum(plan.run_bytes for plan in plans))
    seconds = [plan.seconds for plan in plans if plan.seconds is not None]
    time = f", about {duration(sum(seconds))} one after the other" if seconds else ""
    print(f"all {len(plans)} jobs: {steps} steps, up to {disk} in their folders{time}", flush=True)

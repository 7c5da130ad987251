"""What `dry_run=true` and `dry_run=step` do instead of a run; leaves nothing behind."""

import tempfile
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from sdexp.ground.build import write_config
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder, disk_faults
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


def dry_run(config: DictConfig) -> int:
    """Say what the run would need; returns the exit code."""
    place = Path(config.run_dir or OUTPUTS)
    if RunFolder(place).config.is_file():
        check_resumable(RunFolder(place), config)
    planned = OmegaConf.merge(config, {"run_dir": str(place)})
    assert isinstance(planned, DictConfig)
    parent = Path(tempfile.gettempdir())
    with disk_faults(parent), tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as folder:
        run = RunFolder(Path(folder))
        write_config(run.config, planned)
        with run.lock() as lock:
            return int(run_stages(run, ["plan"], 1, lock)["exit_code"])

"""Door: a run's weights for other tools. `python -m sdexp.export run=... format=kohya`."""

import shutil
import sys

from omegaconf import OmegaConf

from sdexp.ground.errors import ConfigError
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import compose
from sdexp.launch.door import finished_run, run_door, usable_run
from sdexp.launch.job import run_stages, write_card
from sdexp.recipes import read_recipes


def main(argv: list[str] | None = None) -> int:
    """Export; returns the exit code."""
    return run_door("export", _export, argv)


def _export(arguments: Arguments) -> int:
    config = compose("export", arguments.overrides).config
    for key in ("run", "format"):
        if OmegaConf.is_missing(config, key):
            raise ConfigError(f"{key}: a value is missing; set {key}=...")
    run = usable_run(config.run)
    recipes = read_recipes(run.config)
    finished_run(run, recipes.finetune)
    recipes.model.check()
    step = config.checkpoint
    name = str(config.format) if step is None else f"{config.format}-{step:06d}"
    folder = run.export(name)
    if folder.exists():
        raise ConfigError(f"format={name}: {folder} is there already; move it away to make another")
    with run.lock() as lock:
        half = run.half_export(name)
        shutil.rmtree(half, ignore_errors=True)
        stages = [] if step is None else [f"weights:{step}"]
        code = run_stages(run, [*stages, f"export:{name}"], 1, lock).exit_code
        if code == 0:
            write_card(run, half, str(config.format))
            half.rename(folder)
            print(f"exported: {folder}", flush=True)
        shutil.rmtree(half, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""Door: evaluate a run again. `python -m sdexp.evaluate run=... evaluation.replicates=4`."""

import sys

from omegaconf import DictConfig, OmegaConf

from sdexp.ground.build import Config, read_config, write_config
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import Composed, compose, existing_run, only_shows, run_door
from sdexp.launch.job import carry_out
from sdexp.recipes import build_recipes


def main(argv: list[str] | None = None) -> int:
    """Evaluate and report; returns the exit code."""
    return run_door(_evaluate, argv)


def _evaluate(argv: list[str]) -> int:
    if only_shows("evaluate", argv):
        return 0
    run = existing_run(_run_argument(argv))
    config = _evaluation_config(run, compose("evaluate", argv), argv)
    recipes = build_recipes(config)
    recipes.check_files()
    if not (run.weights.is_dir() and run.is_trained()):
        raise ConfigError(f"run={run.path}: has no finished weights; finish its training first")
    with run.lock() as lock:
        run.set_results_aside()
        write_config(run.evaluation_config, config)
        run.update_record(
            evaluate_command=" ".join(["python -m sdexp.evaluate", *argv]),
            chosen_later=_chosen_later(read_config(run.config), config),
        )
        code = carry_out(run, recipes, lock, ["evaluate"])
    if run.report_html.exists():
        print(f"report: {run.report_html}", flush=True)
    return code


def _run_argument(argv: list[str]) -> str:
    given = [argument.removeprefix("run=") for argument in argv if argument.startswith("run=")]
    if not given:
        raise ConfigError("run: a value is missing; name a run folder with run=outputs/...")
    return given[-1]


def _evaluation_config(run: RunFolder, composed: Composed, argv: list[str]) -> Config:
    """The run's own configuration with the evaluation keys that were given now."""
    config = read_config(run.config)
    for argument in argv:
        key = argument.split("=")[0].lstrip("+~")
        section = key.split(".")[0]
        if section not in ("run", "evaluation", "metric"):
            raise ConfigError(f"{key}: fixed by the run; allowed: evaluation.*, metric")
        if key in ("evaluation", "metric"):
            config[key] = OmegaConf.to_container(composed.config[key], enum_to_str=True)
        elif section != "run":
            OmegaConf.update(config, key, OmegaConf.select(composed.config, key))
    config.evaluation.enabled = True
    _rescore(config, argv)
    return config


def _chosen_later(declared: Config, config: Config) -> list[str]:
    """What the verdict rests on and the run did not declare."""
    keys = ("primary", "smallest_effect")
    return [f"evaluation.{k}" for k in keys if declared.evaluation[k] != config.evaluation[k]]


def _rescore(config: DictConfig, argv: list[str]) -> None:
    """A scorer named now is that of every metric."""
    if any(argument.startswith("evaluation.scorer=") for argument in argv):
        for metric in config.metric:
            config.metric[metric].backbone = config.evaluation.scorer


if __name__ == "__main__":
    sys.exit(main())

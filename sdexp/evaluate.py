"""Door: evaluate a run again. `python -m sdexp.evaluate run=... evaluation.replicates=4`."""

import shlex
import sys

from omegaconf import DictConfig, OmegaConf

from sdexp.ground.build import Config, as_texts, read_run_config
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.launch.arguments import Arguments
from sdexp.launch.beside import evaluate_beside, is_evaluated
from sdexp.launch.checkpoints import named_steps
from sdexp.launch.compose import Composed, compose, derive
from sdexp.launch.door import finished_run, look_first, run_door, usable_run
from sdexp.launch.folders import evaluate_folders, names_folders
from sdexp.launch.freeze import changes, freeze
from sdexp.launch.given import evaluate_weights, names_weights
from sdexp.launch.job import carry_out
from sdexp.recipes import build_recipes, read_recipes

MAY_CHANGE = ("evaluation", "metric", "backbone")
CHECKPOINT = "checkpoint="
ON_VAL = ("evaluation.split=val",)


def main(argv: list[str] | None = None) -> int:
    """Evaluate and report; returns the exit code."""
    return run_door("evaluate", work, argv)


def work(arguments: Arguments) -> int:
    """The run's own evaluation where that is still to do, else one beside it."""
    overrides = [_of_evaluation(override) for override in arguments.overrides]
    if names_folders(overrides):
        return evaluate_folders(arguments)
    if names_weights(overrides):
        return evaluate_weights(arguments)
    run = usable_run(_run_argument(overrides))
    read_recipes(run.config)
    steps, overrides = named_steps(run, overrides)
    if steps:
        return _each(run, steps, overrides, arguments)
    config = _evaluation_config(run, compose("evaluate", overrides), overrides)
    recipes = build_recipes(config)
    warnings = look_first(recipes)
    finished_run(run, recipes.finetune)
    command = shlex.join(["python", "-m", "sdexp.evaluate", *arguments.words])
    with run.lock() as lock:
        if changes(run, config) or run.scores.exists():
            code, (folder, *_) = evaluate_beside(run, [config], recipes, command, lock)
        else:
            composed = Composed(config, run.read_record().choices)
            freeze(run, composed, command, "running", warnings)
            code = carry_out(run, recipes, lock, ["evaluate"])
            folder = run
    if code > 128:
        print("stopped; the same command goes on", flush=True)
    elif folder.report_html.exists():
        print(f"report: {folder.report_html}", flush=True)
    return code


def _each(run: RunFolder, steps: list[int], overrides: list[str], arguments: Arguments) -> int:
    """Score checkpoints on the val split, as `test` is there for the one that is chosen."""
    words = [*ON_VAL, *overrides]
    configs = []
    for step in steps:
        own = [*words, f"evaluation.{CHECKPOINT}{step}"]
        configs.append(_evaluation_config(run, compose("evaluate", own), own))
    recipes = build_recipes(configs[0])
    look_first(recipes)
    finished_run(run, recipes.finetune)
    command = shlex.join(["python", "-m", "sdexp.evaluate", *arguments.words])
    code = 0
    with run.lock() as lock:
        left = [config for config in configs if not is_evaluated(run, config)]
        # Other processes would wait at the next step for the one that scores.
        alone = recipes.hardware.num_processes == 1
        for some in [left] if alone and left else [[config] for config in left]:
            code, _ = evaluate_beside(run, some, recipes, command, lock)
            if code:
                break
    if code > 128:
        print("stopped; the same command goes on", flush=True)
    else:
        print(f"report: {run.report_html}", flush=True)
    return code


def _of_evaluation(override: str) -> str:
    """`checkpoint=000400` is short for the key of the evaluation."""
    if not override.startswith(CHECKPOINT):
        return override
    return f"evaluation.{CHECKPOINT}{override.removeprefix(CHECKPOINT).lstrip('0')}"


def _run_argument(argv: list[str]) -> str:
    given = [argument.removeprefix("run=") for argument in argv if argument.startswith("run=")]
    if not given:
        raise ConfigError(
            "run: a value is missing; name a run folder with run=outputs/..., weights with "
            "original=MODEL finetuned=PATH, or pictures with pictures.original=DIR "
            "pictures.finetuned=DIR"
        )
    return given[-1]


def _evaluation_config(run: RunFolder, composed: Composed, argv: list[str]) -> Config:
    """The run's own configuration with the evaluation keys that were given now."""
    config = read_run_config(run.config)
    before = str(config.evaluation.scorer)
    config.evaluation.enabled = True
    for argument in argv:
        key = argument.split("=")[0].lstrip("+~")
        section = key.split(".")[0]
        if section not in ("run", *MAY_CHANGE):
            raise ConfigError(f"{key}: fixed by the run; allowed: evaluation.*, metric, backbone")
        if key in MAY_CHANGE:
            config[key] = as_texts(composed.config[key])
        elif section != "run":
            OmegaConf.update(config, key, as_texts(OmegaConf.select(composed.config, key)))
    if not config.evaluation.enabled:
        raise ConfigError("evaluation=none: there is nothing to evaluate; leave it out")
    is_named = any(argument.startswith("evaluation.primary=") for argument in argv)
    if config.evaluation.primary not in config.metric and not is_named:
        # The run declared one that is not asked for now.
        config.evaluation.primary = None
    _rescore(config, before)
    derive(config, argv)
    return config


def _rescore(config: DictConfig, before: str) -> None:
    """A scorer named now takes the place of the run's own in every backbone that had it."""
    for backbone in config.backbone.values():
        for key, value in backbone.items():
            if value == before:
                backbone[key] = config.evaluation.scorer


if __name__ == "__main__":
    sys.exit(main())

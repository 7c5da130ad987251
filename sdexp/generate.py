"""Door: pictures of a prompt from both models. `python -m sdexp.generate run=... prompt="..."`."""

import math
import re
import shlex
import shutil
import sys
from dataclasses import replace
from datetime import datetime

from omegaconf import DictConfig, OmegaConf

from sdexp.ground.build import typed
from sdexp.ground.checks import at_least, at_most, require
from sdexp.ground.config import MOST_SAMPLING_STEPS, EvaluationConfig
from sdexp.ground.endpoint import endpoint
from sdexp.ground.errors import ConfigError
from sdexp.ground.picture_requests import (
    FINETUNED,
    ORIGINAL,
    Fillers,
    GenerateRequest,
    GridConfig,
    Variant,
)
from sdexp.ground.prompt_files import read_prompt, read_prompts
from sdexp.ground.record_files import write_record
from sdexp.ground.run import RunFolder
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import compose, own_and_others
from sdexp.launch.door import finished_run, look_first, run_door, tell_followed, usable_run
from sdexp.launch.freeze import freeze, run_folder
from sdexp.launch.given import composed_of_weights, names_weights
from sdexp.launch.job import REFUSED, run_stages
from sdexp.recipes import build_recipes, read_recipes

SLUG_LENGTH = 40
FROM_FILE = "@"


def main(argv: list[str] | None = None) -> int:
    """Make the pictures; returns the exit code."""
    return run_door("generate", _generate, argv)


def _generate(arguments: Arguments) -> int:
    if names_weights(arguments.overrides):
        return _of_weights(arguments)
    config = compose("generate", arguments.overrides).config
    _check_named(config, "run")
    run = usable_run(config.run)
    recipes = read_recipes(run.config)
    grid = _grid(config, arguments.overrides)
    prompts = _prompts(config, grid, recipes.training.validation_prompts)
    finished_run(run, recipes.finetune)
    if config.strengths and recipes.finetune.trains and recipes.finetune.saves_networks:
        raise ConfigError(
            f"strengths={list(config.strengths)}: this run trained whole networks; only adapters "
            "have a strength"
        )
    recipes.model.check()
    if grid.main is not None and grid.fillers == Fillers.dataset:
        recipes.dataset.check()
    request = _request(config, prompts, grid, recipes.evaluation)
    with run.lock() as lock:
        return _make(run, request, lock)


def _of_weights(arguments: Arguments) -> int:
    """Pictures of weights from elsewhere, in a run folder of their own."""
    asked, others = own_and_others("generate", arguments.overrides)
    config = compose("generate", asked).config
    grid = _grid(config, asked)
    prompts = _prompts(config, grid, [])
    _refuse_checkpoints(config)
    composed = composed_of_weights([*others, "evaluation=none"])
    recipes = build_recipes(composed.config)
    warnings = look_first(recipes)
    request = _request(config, prompts, grid, recipes.evaluation)
    run, is_new = run_folder(composed)
    command = shlex.join(["python", "-m", "sdexp.generate", *arguments.words])
    with run.lock() as lock:
        tell_followed(composed)
        freeze(run, composed, command, "finished", warnings)
        run.change_record(stage="evaluate")
        code = _make(run, request, lock)
        if code in REFUSED and is_new:
            shutil.rmtree(run.path)
    return code


def _grid(config: DictConfig, overrides: list[str]) -> GridConfig:
    """The grid that is asked for; raises `ConfigError`."""
    grid = typed("grid", GridConfig, config.grid)
    if grid.main is not None:
        if grid.fillers == Fillers.llm:
            endpoint()
        return replace(grid, main=_text("grid.main", grid.main))
    given = [override for override in overrides if override.lstrip("+").startswith("grid.")]
    if given:
        raise ConfigError(f"{given[0]}: there is no grid; set grid.main=PROMPT too")
    return grid


def _refuse_checkpoints(config: DictConfig) -> None:
    """Raise `ConfigError` for earlier steps of weights that no training of ours made."""
    if config.checkpoints:
        raise ConfigError(
            f"checkpoints={list(config.checkpoints)}: weights from elsewhere have no earlier steps"
        )


def _prompts(config: DictConfig, grid: GridConfig, own: list[str]) -> list[str]:
    """What pictures are asked of: `own`, those of the run, where nothing is said.

    Raises `ConfigError` or `DataError`.
    """
    if grid.main is not None:
        if config.prompt is not None or config.prompts is not None:
            raise ConfigError(f"grid.main={grid.main}: set it alone, without prompt and prompts")
        return [grid.main]
    if config.prompt is None and config.prompts is None and own:
        return own
    if config.prompt is None and config.prompts is None:
        raise ConfigError("prompt: a value is missing; set prompt=..., or prompts=FILE")
    if config.prompt is None:
        return read_prompts("prompts", config.prompts)
    if config.prompts is not None:
        raise ConfigError(
            f"prompts={config.prompts} beside prompt={config.prompt}: set one of them"
        )
    return [_text("prompt", config.prompt)]


def _text(key: str, value: str) -> str:
    """What a person wrote for a key, or into the file that it names; raises `ConfigError`."""
    if value.startswith(FROM_FILE):
        return read_prompt(key, value.removeprefix(FROM_FILE))
    if not value.strip():
        raise ConfigError(f"{key} is empty: write what pictures are to show")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{key}: holds bytes that are no text; write it as UTF-8") from error
    return value


def _check_named(config: DictConfig, *keys: str) -> None:
    for key in keys:
        if OmegaConf.is_missing(config, key):
            raise ConfigError(f"{key}: a value is missing; set {key}=...")


def _make(run: RunFolder, request: GenerateRequest, lock: int) -> int:
    """Have the pictures made; returns the exit code."""
    name = _new_name(run, request.prompts[0])
    write_record(run.generated / name / "request.json", request)
    steps = {variant.step for variant in request.variants if variant.step is not None}
    stages = [*(f"weights:{step}" for step in sorted(steps)), f"generate:{name}"]
    code = run_stages(run, stages, 1, lock).exit_code
    if code in REFUSED:
        shutil.rmtree(run.generated / name)
    return code


def _new_name(run: RunFolder, prompt: str) -> str:
    """Of a folder that no other request has, not even of the same second."""
    slug = re.sub(r"[^a-z0-9]+", "-", prompt.lower())[:SLUG_LENGTH].strip("-")
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{slug}"
    taken = [path.name for path in run.generated.glob(f"{name}*")]
    return f"{name}-{len(taken) + 1}" if taken else name


def _variants(config: DictConfig) -> list[Variant]:
    """The original, and what is held against it; raises `ConfigError`."""
    steps = list(config.checkpoints)
    strengths = list(config.strengths)
    if steps and strengths:
        raise ConfigError(f"strengths={strengths} beside checkpoints={steps}: set one of them")
    found = [Variant(f"step {step}", step) for step in steps]
    found += [Variant(f"strength {value:g}", strength=value) for value in strengths]
    differ = len({variant.name for variant in found}) == len(found)
    if not differ or not all(0 < value < math.inf for value in [*steps, *strengths]):
        key = "checkpoints" if steps else "strengths"
        raise ConfigError(f"{key}={steps or strengths}: allowed are numbers above 0, each once")
    return [ORIGINAL, *(found or [FINETUNED])]


def _request(
    config: DictConfig, prompts: list[str], grid: GridConfig, evaluation: EvaluationConfig
) -> GenerateRequest:
    """What was asked for, with the run's own evaluation settings where nothing was."""

    def setting(key: str) -> object:
        return getattr(evaluation, key) if config[key] is None else config[key]

    request = GenerateRequest(
        prompts=prompts,
        seeds=list(config.seeds),
        sampler=str(setting("sampler")),
        num_inference_steps=setting("num_inference_steps"),  # type: ignore[arg-type]
        guidance_scale=setting("guidance_scale"),  # type: ignore[arg-type]
        negative_prompt=setting("negative_prompt"),  # type: ignore[arg-type]
        height=config.height,
        width=config.width,
        variants=_variants(config),
        grid=grid,
    )
    try:
        at_least("generate", 1, num_inference_steps=request.num_inference_steps)
        at_most("generate", MOST_SAMPLING_STEPS, num_inference_steps=request.num_inference_steps)
        at_least("generate", 0, guidance_scale=request.guidance_scale)
        for name in ("height", "width"):
            side = config[name]
            fits = side is None or (side >= 8 and side % 8 == 0)
            require("generate", fits, name, side, "null or a multiple of 8")
        at_least("generate", 0, **{f"seeds[{i}]": seed for i, seed in enumerate(request.seeds)})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not request.seeds:
        raise ConfigError("seeds=[]: name at least one, such as seeds=[0]")
    return request


if __name__ == "__main__":
    sys.exit(main())

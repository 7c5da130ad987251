"""Door: pictures of a prompt from both models. `python -m sdexp.generate run=... prompt="..."`."""

import re
import shutil
import sys
from datetime import datetime

from omegaconf import DictConfig, OmegaConf

from sdexp.ground.config import MOST_SAMPLING_STEPS, EvaluationConfig, at_least, at_most
from sdexp.ground.errors import ConfigError
from sdexp.ground.record_files import write_record
from sdexp.ground.records import GenerateRequest
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import compose
from sdexp.launch.door import finished_run, run_door, usable_run
from sdexp.launch.job import REFUSED, run_stages
from sdexp.recipes import read_recipes

SLUG_LENGTH = 40


def main(argv: list[str] | None = None) -> int:
    """Make the pictures; returns the exit code."""
    return run_door("generate", _generate, argv)


def _generate(arguments: Arguments) -> int:
    config = compose("generate", arguments.overrides).config
    for key in ("run", "prompt"):
        if OmegaConf.is_missing(config, key):
            raise ConfigError(f"{key}: a value is missing; set {key}=...")
    run = usable_run(config.run)
    recipes = read_recipes(run.config)
    finished_run(run, recipes.finetune)
    recipes.model.check()
    request = _request(config, recipes.evaluation)
    slug = re.sub(r"[^a-z0-9]+", "-", config.prompt.lower())[:SLUG_LENGTH].strip("-")
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{slug}"
    with run.lock() as lock:
        write_record(run.generated / name / "request.json", request)
        code = run_stages(run, [f"generate:{name}"], 1, lock).exit_code
        if code in REFUSED:
            shutil.rmtree(run.generated / name)
        return code


def _request(config: DictConfig, evaluation: EvaluationConfig) -> GenerateRequest:
    """What was asked for, with the run's own evaluation settings where nothing was."""

    def setting(key: str) -> object:
        return getattr(evaluation, key) if config[key] is None else config[key]

    request = GenerateRequest(
        prompt=config.prompt,
        seeds=list(config.seeds),
        sampler=str(evaluation.sampler),
        num_inference_steps=setting("num_inference_steps"),  # type: ignore[arg-type]
        guidance_scale=setting("guidance_scale"),  # type: ignore[arg-type]
        negative_prompt=setting("negative_prompt"),  # type: ignore[arg-type]
    )
    try:
        at_least("generate", 1, num_inference_steps=request.num_inference_steps)
        at_most("generate", MOST_SAMPLING_STEPS, num_inference_steps=request.num_inference_steps)
        at_least("generate", 0, guidance_scale=request.guidance_scale)
        at_least("generate", 0, **{f"seeds[{i}]": seed for i, seed in enumerate(request.seeds)})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not request.seeds:
        raise ConfigError("seeds=[]: name at least one, such as seeds=[0]")
    return request


if __name__ == "__main__":
    sys.exit(main())

"""Door: pictures of a prompt from both models. `python -m sdexp.generate run=... prompt="..."`."""

import json
import re
import sys
from datetime import datetime

from omegaconf import OmegaConf

from sdexp.ground.build import read_config
from sdexp.ground.config import at_least
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import write_text
from sdexp.launch.compose import compose, existing_run, only_shows, run_door
from sdexp.launch.job import run_stages
from sdexp.recipes import build_recipes


def main(argv: list[str] | None = None) -> int:
    """Make the pictures; returns the exit code."""
    return run_door(_generate, argv)


def _generate(argv: list[str]) -> int:
    if only_shows("generate", argv):
        return 0
    config = compose("generate", argv).config
    for key in ("run", "prompt"):
        if OmegaConf.is_missing(config, key):
            raise ConfigError(f"{key}: a value is missing; set {key}=...")
    run = existing_run(config.run)
    if not (run.weights.is_dir() and run.is_trained()):
        raise ConfigError(f"run={run.path}: has no finished weights; finish its training first")
    recipes = build_recipes(read_config(run.config))
    recipes.model.check()
    sampling = {
        key: getattr(recipes.evaluation, key)
        for key in ("sampler", "num_inference_steps", "guidance_scale", "negative_prompt")
    }
    sampling |= {k: config[k] for k in sampling if k in config and config[k] is not None}
    try:
        at_least("generate", 1, num_inference_steps=sampling["num_inference_steps"])
        at_least("generate", 1, guidance_scale=sampling["guidance_scale"])
        at_least("generate", 0, **{f"seeds[{i}]": seed for i, seed in enumerate(config.seeds)})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not config.seeds:
        raise ConfigError("seeds=[]: name at least one, such as seeds=[0]")
    slug = re.sub(r"[^a-z0-9]+", "-", config.prompt.lower())[:40].strip("-")
    folder = run.request.parent / f"{datetime.now().strftime('%Y-%m-%d_%H-%M-%S')}_{slug}"
    request = {
        "folder": str(folder),
        "prompt": config.prompt,
        "seeds": list(config.seeds),
        "sampling": sampling,
    }
    with run.lock() as lock:
        write_text(run.request, json.dumps(request, indent=2))
        return int(run_stages(run, ["generate"], 1, lock)["exit_code"])


if __name__ == "__main__":
    sys.exit(main())

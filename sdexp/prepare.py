"""Door: look at a data set before training. `python -m sdexp.prepare dataset=imagefolder ...`."""

import shlex
import shutil
import sys
from dataclasses import fields

from omegaconf import DictConfig

from sdexp.ground.assets import check_weights, hub_is_reachable
from sdexp.ground.audit_records import PrepareRequest
from sdexp.ground.build import write_config
from sdexp.ground.checks import at_least
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import make_folder, named_path
from sdexp.ground.record_files import write_record
from sdexp.ground.run import RunFolder, new_run_folder
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import Composed, compose
from sdexp.launch.door import run_door
from sdexp.launch.freeze import OUTPUTS
from sdexp.launch.job import REFUSED, run_stages
from sdexp.launch.roots import PrepareRoot
from sdexp.recipes import Recipes, build_recipes


# Exit codes of signals are above it.
INTERRUPTED = 128


def main(argv: list[str] | None = None) -> int:
    """Fetch, caption, audit and fill the store; returns the exit code."""
    return run_door("prepare", _prepare, argv)


def _prepare(arguments: Arguments) -> int:
    own = {field.name for field in fields(PrepareRoot)}
    asked = [o for o in arguments.overrides if o.lstrip("+~").partition("=")[0] in own]
    others = [override for override in arguments.overrides if override not in asked]
    config = compose("prepare", asked).config
    composed = compose("train", ["tracker=none", *others, "evaluation=none"])
    recipes = build_recipes(composed.config)
    command = shlex.join(["python", "-m", "sdexp.prepare", *arguments.words])
    request = _request(config, command)
    _check(request, recipes)
    run = _folder(config, composed)
    with run.lock() as lock:
        write_config(run.config, composed.config)
        write_record(run.request, request)
        code = run_stages(run, ["prepare"], 1, lock).exit_code
    is_half = not run.audit.is_file()
    if code in REFUSED or (code > INTERRUPTED and is_half):
        shutil.rmtree(run.path)
    elif code == 0:
        from sdexp.pages.prepare.page import write_audit

        write_audit(run)
        print(f"audit: {run.audit_page}", flush=True)
    return code


def _request(config: DictConfig, command: str) -> PrepareRequest:
    request = PrepareRequest(
        command=command,
        fetch=config.fetch,
        captioner=config.captioner,
        num_beams=config.num_beams,
        min_new_tokens=config.min_new_tokens,
        max_new_tokens=config.max_new_tokens,
        fill_store=config.fill_store,
    )
    try:
        at_least("prepare", 1, num_beams=request.num_beams, max_new_tokens=request.max_new_tokens)
        at_least("prepare", 0, min_new_tokens=request.min_new_tokens)
        if request.min_new_tokens > request.max_new_tokens:
            raise ValueError(
                f"prepare.min_new_tokens={request.min_new_tokens}: allowed is "
                f"max_new_tokens={request.max_new_tokens} or less"
            )
    except ValueError as error:
        raise ConfigError(str(error).removeprefix("prepare.")) from error
    return request


def _check(request: PrepareRequest, recipes: Recipes) -> None:
    """Raise `ConfigError` or `DataError` for what is missing, before anything is made."""
    if request.captioner is not None:
        recipes.dataset.uncaptioned()
        check_weights("captioner", request.captioner, "config.json", hub_is_reachable())
    elif request.fetch:
        recipes.dataset.check_source()
    else:
        recipes.dataset.check()
    if not request.fill_store:
        return
    recipes.model.check()
    if not (recipes.training.center_crop and recipes.training.cache_latents):
        raise ConfigError(
            "fill_store=true: random crops are never the same twice, and nothing is kept with "
            "training.cache_latents=false; set training.center_crop=true and cache_latents=true"
        )


def _folder(config: DictConfig, composed: Composed) -> RunFolder:
    if config.run_dir is None:
        return new_run_folder(OUTPUTS, f"prepare-{composed.choices['dataset']}")
    run = RunFolder(named_path("run_dir", config.run_dir))
    if run.path.is_file() or run.holds_other_files():
        raise ConfigError(f"run_dir={run.path}: holds files; name a new or empty folder")
    make_folder(run.path)
    return run


if __name__ == "__main__":
    sys.exit(main())

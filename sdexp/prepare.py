"""Door: look at a data set before training. `python -m sdexp.prepare dataset=imagefolder ...`."""

import shlex
import shutil
import sys
from functools import partial

from omegaconf import DictConfig

from sdexp.ground.assets import check_weights, hub_is_reachable
from sdexp.ground.audit_records import PrepareRequest
from sdexp.ground.build import Faults, write_config
from sdexp.ground.checks import at_least
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import make_folder, named_path
from sdexp.ground.record_files import write_record
from sdexp.ground.run import RunFolder, new_run_folder
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import Composed, compose, own_and_others
from sdexp.launch.door import run_door
from sdexp.launch.freeze import OUTPUTS
from sdexp.launch.job import REFUSED, run_stages
from sdexp.recipes import Recipes, build_recipes

# Exit codes of signals are above it.
INTERRUPTED = 128


def main(argv: list[str] | None = None) -> int:
    """Fetch, caption, audit and fill the store; returns the exit code."""
    return run_door("prepare", _prepare, argv)


def _prepare(arguments: Arguments) -> int:
    asked, others = own_and_others("prepare", arguments.overrides)
    config = compose("prepare", asked).config
    composed = compose("train", ["tracker=none", *others, "evaluation=none"])
    command = shlex.join(["python", "-m", "sdexp.prepare", *arguments.words])
    faults = Faults()
    request = faults.catch(partial(_request, config, command))
    recipes = faults.catch(partial(build_recipes, composed.config))
    faults.check()
    assert request is not None and recipes is not None
    _check(request, recipes)
    run = _folder(config, composed, recipes)
    with run.lock() as lock:
        write_config(run.config, composed.config)
        write_record(run.request, request)
        return _carry_out(run, request, recipes, lock)


def _carry_out(run: RunFolder, request: PrepareRequest, recipes: Recipes, lock: int) -> int:
    code = run_stages(run, ["prepare"], 1, lock).exit_code
    if code in REFUSED or code > INTERRUPTED:
        shutil.rmtree(run.path)
    if code:
        return code
    from sdexp.pages.prepare.page import write_audit

    write_audit(run)
    print(f"audit: {run.audit_page}", flush=True)
    if request.fill_store:
        return run_stages(run, ["fill"], recipes.hardware.num_processes, lock).exit_code
    return 0


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
    if recipes.objective.tower is not None:
        raise ConfigError("fill_store=true: this objective looks at pictures, not at latents")
    if not (recipes.training.center_crop and recipes.training.cache_latents):
        raise ConfigError(
            "fill_store=true: random crops are never the same twice, and nothing is kept with "
            "training.cache_latents=false; set training.center_crop=true and cache_latents=true"
        )


def _folder(config: DictConfig, composed: Composed, recipes: Recipes) -> RunFolder:
    """A new or empty folder, apart from those of the data.

    Raises `ConfigError` for one that holds files, and where the audit's pictures would become
    pictures of the data set.
    """
    place = OUTPUTS if config.run_dir is None else named_path("run_dir", config.run_dir)
    for folder in recipes.dataset.folders():
        inside = place.resolve().is_relative_to(folder.resolve())
        if inside or (config.run_dir and folder.resolve().is_relative_to(place.resolve())):
            raise ConfigError(
                f"run_dir={place}: the audit and the data set ({folder}) would lie in one folder; "
                "name another with run_dir=..."
            )
    if config.run_dir is None:
        return new_run_folder(OUTPUTS, f"prepare-{composed.choices['dataset']}")
    run = RunFolder(place)
    if run.path.is_file() or run.holds_other_files():
        raise ConfigError(f"run_dir={run.path}: holds files; name a new or empty folder")
    make_folder(run.path)
    return run


if __name__ == "__main__":
    sys.exit(main())

"""From a command line to the jobs of a sweep: every combination of the values given."""

from dataclasses import dataclass
from functools import partial
from itertools import product

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sdexp.ground.build import Faults
from sdexp.ground.errors import ConfigError, DataError
from sdexp.launch.arguments import quoted
from sdexp.launch.compose import Composed, compose
from sdexp.recipes import Recipes, build_recipes

NOT_SWEPT = ("run_dir", "resume", "dry_run", "sweep")


@dataclass(frozen=True)
class GridJob:
    """One combination: what it sets, its configuration and its recipes."""

    number: int
    overrides: list[str]
    composed: Composed
    recipes: Recipes


@dataclass(frozen=True)
class Grid:
    """The overrides that all jobs share, and the alternatives of each that they do not."""

    fixed: list[str]
    alternatives: list[list[str]]

    def combinations(self) -> list[list[str]]:
        """Every combination, the last key changing fastest."""
        return [list(choice) for choice in product(*self.alternatives)]


def read_grid(overrides: list[str]) -> Grid:
    """Split a command line, and add the parameters of a sweep file that it does not set itself.

    Raises `ConfigError` for values that cannot be read or enumerated, and where none is swept.
    """
    parsed = _parse(overrides)
    fixed = [o.input_line for o in parsed if not o.is_sweep_override() and o.input_line]
    params = compose("train", fixed).config.sweep.params
    given = {str(override.key_or_group) for override in parsed}
    listed = _parse([f"{key}={value}" for key, value in params.items() if key not in given])
    swept = [override for override in parsed if override.is_sweep_override()]
    alternatives = [_values(override) for override in [*swept, *listed]]
    if not alternatives:
        raise ConfigError(
            "-m: nothing to sweep; give a key several values, such as training.seed=1,2"
        )
    return Grid(fixed, alternatives)


def _parse(overrides: list[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed = []
    for override in overrides:
        try:
            parsed += parser.parse_overrides([quoted(override, sweeps=True)])
        except HydraException as error:
            key, _, value = override.partition("=")
            raise ConfigError(
                f"{override}: cannot be read; a value with commas or other signs is quoted: "
                f"'{key}=\"{value}\"'"
            ) from error
    return parsed


def _values(override: Override) -> list[str]:
    """One override for each value, as a person would type it."""
    key = override.get_key_element()
    if str(override.key_or_group).split(".")[0] in NOT_SWEPT:
        raise ConfigError(f"{key}: is the same for all jobs of a sweep; give it one value")
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: an interval has no end of values; list them")
    try:
        values = [f"{key}={value}" for value in override.sweep_string_iterator()]
    except (HydraException, ValueError, TypeError, AttributeError) as error:
        told = str(error).splitlines()[0]
        raise ConfigError(f"{override.input_line}: no values ({told}); list them") from error
    if not values:
        raise ConfigError(f"{override.input_line}: holds no value; list at least one")
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ConfigError(f"{override.input_line}: {twice[0]} stands there twice; name it once")
    return values


def composed_jobs(grid: Grid) -> list[GridJob]:
    """Compose and check every job; raises one error with the faults of all of them."""
    faults = Faults()
    missing = []
    jobs = []
    for number, overrides in enumerate(grid.combinations()):
        job = faults.catch(partial(_job, number, grid.fixed, overrides))
        if job is None:
            continue
        jobs.append(job)
        try:
            job.recipes.check_files()
        except DataError as error:
            missing += str(error).splitlines()
    if faults.lines:
        raise ConfigError("\n".join(dict.fromkeys(faults.lines)))
    if missing:
        raise DataError("\n".join(dict.fromkeys(missing)))
    return jobs


def _job(number: int, fixed: list[str], overrides: list[str]) -> GridJob:
    try:
        composed = compose("train", [*fixed, *overrides])
        recipes = build_recipes(composed.config)
        recipes.check_training()
        return GridJob(number, overrides, composed, recipes)
    except ConfigError as error:
        what = " ".join(overrides)
        lines = [f"job {number} ({what}): {line}" for line in str(error).splitlines()]
        raise ConfigError("\n".join(lines)) from error

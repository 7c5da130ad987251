"""What all doors share: composing, telling faults, starting workers. Imports no torch."""

import difflib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from sdexp.ground.build import did_you_mean
from sdexp.ground.errors import ConfigError, SdexpError
from sdexp.ground.files import named_path
from sdexp.ground.interrupt import Interrupted, interruptible, listening
from sdexp.ground.run import RunFolder
from sdexp.launch.roots import EvaluateRoot, GenerateRoot, ReportRoot, StoreRoot, TrainRoot

PACKAGE = Path(__file__).parents[1]
CONF = next(path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if path.is_dir())
ROOTS = {
    "train": TrainRoot,
    "evaluate": EvaluateRoot,
    "generate": GenerateRoot,
    "report": ReportRoot,
    "store": StoreRoot,
}
# In the door of `generate` this means: as the run's evaluation.
NO_CHOICE = "negative_prompt=null"


def run_door(work: Callable[[list[str]], int], argv: list[str] | None) -> int:
    """Call a door's work; a fault becomes one line each and the exit code of its kind."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        refuse_ranks()
        with listening(), interruptible():
            return work(arguments)
    except SdexpError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return error.exit_code
    except Interrupted as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def refuse_ranks() -> None:
    """A door started once per rank would make one run folder per rank."""
    if "LOCAL_RANK" in os.environ:
        raise ConfigError(
            "LOCAL_RANK is set: started under torchrun or accelerate; start the command plainly "
            "and set hardware.num_processes=N"
        )


def only_shows(name: str, argv: list[str]) -> bool:
    """Answer --help, --cfg and the like through Hydra; True when that was all."""
    flags = [argument for argument in argv if argument.startswith("-")]
    if not flags:
        return False
    allowed = (
        "--help",
        "-h",
        "--cfg",
        "-c",
        "--info",
        "-i",
        "--resolve",
        "--package",
        "-p",
        "--hydra-help",
        "--version",
        "--shell-completion",
        "-sc",
    )
    foreign = [flag for flag in flags if flag.split("=")[0] not in allowed]
    if foreign:
        raise ConfigError(f"{foreign[0]}: unknown option; values are given as key=value")
    if "--cfg" in flags or "-c" in flags:
        compose(name, [a for a in argv if "=" in a and not a.startswith("-")])
    sys.argv[1:] = argv
    show = hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)
    _register_schemas(name)
    show(lambda cfg: None)()
    return True


@dataclass(frozen=True)
class Composed:
    """A configuration, and which option was chosen in each group."""

    config: DictConfig
    choices: dict[str, str]


def compose(name: str, overrides: list[str]) -> Composed:
    """The composed configuration; every fault becomes a `ConfigError` of one line."""
    forbidden = [o for o in overrides if re.match(r"[+~]*hydra[./@=]", o)]
    if forbidden:
        raise ConfigError(f"{forbidden[0]}: the hydra node cannot be overridden")
    try:
        composed = _compose(name, [quoted(override) for override in overrides])
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ConfigError(_explain(name, error, overrides)) from error
    known = [field.name for field in fields(ROOTS[name])]
    unknown = [str(key) for key in composed.config if key not in known]
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such key; {did_you_mean(unknown[0], known)}")
    derive(composed.config, overrides)
    return composed


def derive(config: DictConfig, overrides: list[str]) -> None:
    """Settle what follows from something else that a person set."""
    is_open = "evaluation" in config and config.evaluation.primary is None
    if is_open and not OmegaConf.is_missing(config, "metric") and config.metric:
        config.evaluation.primary = next(iter(config.metric))
    given = {override.partition("=")[0] for override in overrides}
    by_epochs = "training" in config and config.training.num_train_epochs is not None
    if by_epochs and "training.max_train_steps" not in given:
        config.training.max_train_steps = None


def quoted(override: str) -> str:
    """A prompt is one text: its commas and brackets are not for Hydra to read."""
    key, _, value = override.partition("=")
    if key.rpartition(".")[2] not in ("prompt", "negative_prompt") or override == NO_CHOICE:
        return override
    quote = value[:1]
    if len(value) > 1 and quote in ("'", '"') and value.find(quote, 1) == len(value) - 1:
        value = value[1:-1]
    # In Hydra's quoted strings a backslash acts only before a quote; in OmegaConf's before ${.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    text = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"{key}='{text}'"


def _compose(name: str, overrides: list[str]) -> Composed:
    _register_schemas(name)
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(name, overrides, return_hydra_config=True)
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    choices = {
        str(group): str(choice)
        for group, choice in config.hydra.runtime.choices.items()
        if not str(group).startswith("hydra/") and choice is not None
    }
    return Composed(own, choices)


def _register_schemas(name: str) -> None:
    ConfigStore.instance().store(name="schema", node=ROOTS[name])


def _explain(name: str, error: Exception, overrides: list[str]) -> str:
    """One line from Hydra's many."""
    text = _with_causes(error)
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}, line {mark.line + 1}: no valid YAML ({error.problem})"
    if match := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^']*)'", text):
        return f"{match[1]}: several values are a sweep: add -m; one value with commas is quoted"
    if match := re.search(r"Error parsing override '([^']*)'", text):
        return f"{match[1]}: cannot be read; values are given as key=value"
    if match := re.search(r"(?:In '([^']+)': )?Could not (?:find|load) '([^']+)'", text):
        where, option = match.groups()
        return _no_such_option(option, where if where != name else None, text)
    if match := re.search(r"Could not override '([^']+)'", text):
        return _no_such_key(name, match[1], None)
    if match := re.search(r"Key '([^']+)' (?:is )?not in '?(\w+)", text):
        full = re.search(r"full_key: (\S+)", text)
        where_match = re.search(r"In '([^']+)'", text)
        return _no_such_key(
            name, full[1] if full else match[1], where_match[1] if where_match else None
        )
    if "Config group override must be a string or a list" in text:
        empty = [override for override in overrides if override.endswith(("=null", "="))]
        return f"{', '.join(empty)}: nothing is chosen; name an option"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    full = re.search(r"full_key: (\S+)", text)
    telling = ("Value ", "Invalid ", "Config group override", "Cannot ", "Incompatible")
    reason = next((line for line in lines if line.startswith(telling)), lines[0])
    where_match = re.search(r"In '([^']+)'", text)
    prefix = f"{where_match[1]}.yaml: " if where_match and where_match[1] != name else ""
    if full:
        return f"{prefix}{_with_value(full[1], overrides)}: {reason}"
    return f"{prefix}{reason}"


def _with_causes(error: BaseException) -> str:
    """The texts of an error and of what caused it."""
    texts = []
    current: BaseException | None = error
    while current is not None:
        texts.append(str(current))
        current = current.__cause__ or current.__context__
    return "\n".join(texts)


def _with_value(key: str, overrides: list[str]) -> str:
    given = [override for override in overrides if override.lstrip("+~").startswith(f"{key}=")]
    return given[-1] if given else key


def _no_such_option(option: str, where: str | None, text: str) -> str:
    group, _, choice = option.rpartition("/")
    known = sorted(path.stem for path in (CONF / group).glob("*.yaml")) if group else []
    prefix = f"{where}.yaml: " if where else ""
    if not group or not known:
        groups = sorted(path.name for path in CONF.iterdir() if path.is_dir())
        return f"{prefix}{option}: no such group; {did_you_mean(option.split('/')[0], groups)}"
    return f"{prefix}{group}={choice}: no such option; {did_you_mean(choice, known)}"


def _no_such_key(name: str, key: str, where: str | None) -> str:
    known = sorted(_keys(_compose(name, []).config))
    near = difflib.get_close_matches(key, known, n=1)
    leaf = [k for k in known if k.rpartition(".")[2] == key.rpartition(".")[2]]
    hint = f"did you mean '{(near or leaf)[0]}'?" if near or leaf else "see --cfg job for all keys"
    prefix = f"{where}.yaml: " if where and where != name else ""
    return f"{prefix}{key}: no such key; {hint}"


def _keys(config: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for key in map(str, config):
        path = f"{prefix}{key}"
        found.append(path)
        child = config._get_node(key)
        if isinstance(child, DictConfig) and not child._is_missing() and not child._is_none():
            found += _keys(child, f"{path}.")
    return found


def existing_run(path: str) -> RunFolder:
    """The run folder that a person named."""
    run = RunFolder(named_path("run", path))
    if not run.config.is_file():
        raise ConfigError(
            f"run={path}: no run folder (config.yaml is missing); name one below outputs/"
        )
    return run


def finished_run(run: RunFolder) -> None:
    """Raise `ConfigError` unless the run's training came to its end and left weights."""
    if not run.read_record().is_trained:
        raise ConfigError(f"run={run.path}: has no finished weights; finish its training first")
    if not run.weights.is_dir():
        raise ConfigError(
            f"run={run.path}: its weights are missing; python -m sdexp.train run_dir={run.path} "
            "writes them again from its last checkpoint"
        )

"""From a command line to a whole configuration. Imports no torch."""

import re
from dataclasses import dataclass, fields, replace
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sdexp.ground.build import as_texts, did_you_mean, read_run_config
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import named_path
from sdexp.ground.nested import leaves
from sdexp.ground.run import RunFolder
from sdexp.launch.app_settings import AppSettings
from sdexp.launch.arguments import quoted
from sdexp.launch.explain import Command, explain
from sdexp.launch.files import CONF, GLOBAL_GROUPS, check_chosen, groups, option_file, own_folder
from sdexp.launch.follow import COMPLETE, MODEL, SHIPPED, is_chosen, is_foreign
from sdexp.launch.roots import (
    EvaluateRoot,
    ExportRoot,
    GenerateRoot,
    PrepareRoot,
    ReportRoot,
    StoreRoot,
    TrainRoot,
)
from sdexp.recipes import build_judging

ROOTS = {
    "train": TrainRoot,
    "evaluate": EvaluateRoot,
    "generate": GenerateRoot,
    "export": ExportRoot,
    "prepare": PrepareRoot,
    "report": ReportRoot,
    "store": StoreRoot,
    "app": AppSettings,
}
# What a person names anew in every command.
NAMED_BY_COMMAND = ("run", "prompt", "format")


@dataclass(frozen=True)
class Composed:
    """A configuration, and which option was chosen in each group.

    followed: options that the data chose, as a person would type them.
    """

    config: DictConfig
    choices: dict[str, str]
    followed: tuple[str, ...] = ()


def own_and_others(name: str, overrides: list[str]) -> tuple[list[str], list[str]]:
    """Overrides of a door's own keys, and those that are for the training's."""
    keys = {field.name for field in fields(ROOTS[name])}
    own = [o for o in overrides if re.split(r"[.=]", o.lstrip("+~"))[0] in keys]
    return own, [override for override in overrides if override not in own]


def compose(name: str, overrides: list[str]) -> Composed:
    """The composed configuration; every fault becomes a `ConfigError` of one line.

    Of a training on real pictures model and metrics follow the data, unless they were chosen.
    """
    composed = _as_given(name, overrides)
    if name != "train" or not is_foreign(composed.choices):
        return composed
    followed: list[str] = []
    if not is_chosen("model", composed.choices, overrides):
        followed.append(f"model={MODEL}")
    if not is_chosen("metric", composed.choices, overrides):
        followed.append(f"metric={_judges_at_hand([*followed, *overrides])}")
    if not followed:
        return composed
    return replace(_as_given(name, [*followed, *overrides]), followed=tuple(followed))


def _judges_at_hand(overrides: list[str]) -> str:
    """The set of metrics for real pictures whose networks are all on this machine."""
    config = _as_given("train", [f"metric={COMPLETE}", *overrides]).config
    judging = build_judging(config)
    return SHIPPED if judging.missing_files(judging.used, reachable=False) else COMPLETE


def _as_given(name: str, overrides: list[str]) -> Composed:
    forbidden = [o for o in overrides if re.match(r"[+~]*hydra[./@=]", o)]
    if forbidden:
        raise ConfigError(f"{forbidden[0]}: the hydra node cannot be overridden")
    check_chosen(overrides)
    try:
        composed = _compose(name, [quoted(_as_text(name, override)) for override in overrides])
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
        known = dict(_known(name, overrides))
        raise ConfigError(explain(error, Command(name, overrides, known))) from error
    _check_sections(name, composed.config)
    derive(composed.config, overrides)
    return composed


def _as_text(name: str, override: str) -> str:
    """No negative prompt is an empty one; for `generate` null means: as the run's evaluation."""
    is_none = override.endswith("negative_prompt=null") and name != "generate"
    return override.removesuffix("null") if is_none else override


def _compose(name: str, overrides: list[str]) -> Composed:
    register_schema(name)
    GlobalHydra.instance().clear()
    own = own_folder()
    search = [] if own is None else [quoted_search_path(str(own))]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(name, [*overrides, *search], return_hydra_config=True)
    own_keys = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    choices = {
        str(group): str(choice)
        for group, choice in config.hydra.runtime.choices.items()
        if not str(group).startswith("hydra/") and choice is not None
    }
    return Composed(own_keys, choices)


def quoted_search_path(folder: str) -> str:
    """The override by which Hydra looks into a folder too."""
    text = folder.replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{text}']"


def register_schema(name: str) -> None:
    """Have Hydra check a door's configuration against its schema."""
    ConfigStore.instance().store(name="schema", node=ROOTS[name])


def _known(name: str, overrides: list[str]) -> list[tuple[str, Any]]:
    """Every key of a door's configuration with its value, those of sections too.

    Of the options that are chosen, where these can be composed.
    """
    chosen = [o for o in overrides if o.partition("=")[0] in ("model", "finetune", "dataset")]
    try:
        config = _compose(name, chosen).config
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError):
        config = _compose(name, []).config
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    found = list(leaves({str(key): value for key, value in plain.items()}))
    sections = {key.rpartition(".")[0] for key, _ in found if "." in key}
    sections |= {key.partition(".")[0] for key, _ in found}
    return found + [(section, None) for section in sorted(sections) if section]


def _check_sections(name: str, config: DictConfig) -> None:
    """Raise `ConfigError` for keys that the door does not have, and for lost sections."""
    known = [field.name for field in fields(ROOTS[name])]
    unknown = [str(key) for key in config if key not in known]
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such key; {did_you_mean(unknown[0], known)}")
    chosen = groups()
    for key in known:
        lost = key not in config or OmegaConf.is_missing(config, key)
        if lost and key not in chosen and key not in NAMED_BY_COMMAND:
            raise ConfigError(f"~{key}: cannot be left out")


def derive(config: DictConfig, overrides: list[str]) -> None:
    """Settle what follows from something else that a person set."""
    is_open = "evaluation" in config and config.evaluation.primary is None
    if is_open and not OmegaConf.is_missing(config, "metric") and config.metric:
        config.evaluation.primary = next(iter(config.metric))
    given = {override.partition("=")[0] for override in overrides}
    by_epochs = "training" in config and config.training.num_train_epochs is not None
    if by_epochs and "training.max_train_steps" not in given:
        config.training.max_train_steps = None
    elif by_epochs and "training.num_train_epochs" not in given:
        # What is typed counts before what a file says.
        config.training.num_train_epochs = None


def named_run(overrides: list[str]) -> RunFolder | None:
    """The run that is there in the `run_dir` of a command."""
    named = [word.removeprefix("run_dir=") for word in overrides if word.startswith("run_dir=")]
    if not named or named[-1] == "null":
        return None
    run = RunFolder(named_path("run_dir", named[-1]))
    return run if run.config.is_file() else None


def compose_run(overrides: list[str]) -> Composed:
    """What `train` works by: a run that is there goes on from its own configuration."""
    run = named_run(overrides)
    return compose("train", overrides) if run is None else compose_onto(run, overrides)


def compose_onto(run: RunFolder, overrides: list[str]) -> Composed:
    """The run's own configuration with these overrides applied to it.

    A file that speaks of the whole configuration, such as an experiment, is composed afresh.
    """
    given = [override.lstrip("+~").partition("=")[0] for override in overrides]
    if any(key in GLOBAL_GROUPS for key in given):
        return compose("train", overrides)
    choices = run.read_record().choices
    kept = {g: c for g, c in choices.items() if g not in GLOBAL_GROUPS and g not in given}
    for group, choice in kept.items():
        if option_file(group, choice) is None:
            raise ConfigError(
                f"run_dir={run.path}: made with {group}={choice}, a file that is not in conf; add "
                "--config-dir=DIR, the folder that holds it"
            )
    composed = compose("train", [*(f"{g}={c}" for g, c in kept.items()), *overrides])
    config = read_run_config(run.config)
    for override, key in zip(overrides, given, strict=True):
        if override.startswith("~"):
            OmegaConf.update(config, key, None)
        else:
            value = as_texts(OmegaConf.select(composed.config, key))
            OmegaConf.update(config, key, value, merge=False)
    derive(config, overrides)
    return Composed(config, choices | {k: v for k, v in composed.choices.items() if k in given})

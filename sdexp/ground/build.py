"""From configuration to recipes: the only place that resolves a `_target_`."""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from sdexp.ground.errors import ConfigError
from sdexp.ground.files import write_text
from sdexp.ground.plugins import trusted

PACKAGE = "sdexp"
SECTIONS = (
    "model",
    "finetune",
    "dataset",
    "optimizer",
    "scheduler",
    "hardware",
    "objective",
    "metric",
    "backbone",
    "tracker",
    "training",
    "evaluation",
    "sweep",
    "run_dir",
    "resume",
    "dry_run",
)
"""What every run's configuration has."""

T = TypeVar("T")
Config = DictConfig
"""A composed configuration; only doors and this module look inside."""


class Faults:
    """Collects the faults of a configuration, so that a person sees all of them at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def catch(self, make: Callable[[], T]) -> T | None:
        """The value, or None after noting the fault."""
        try:
            return make()
        except ConfigError as error:
            self.lines += str(error).splitlines()
            return None

    def check(self) -> None:
        """Raise `ConfigError` with one line for each fault."""
        if self.lines:
            raise ConfigError("\n".join(self.lines))


def did_you_mean(word: str, known: list[str]) -> str:
    """A hint with the nearest known word, or with all of them."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"allowed: {', '.join(sorted(known))}"


def chosen(config: Config, group: str) -> Any:
    """The node of a group; raises `ConfigError` where `group=null` left none."""
    if OmegaConf.is_missing(config, group) or config[group] is None:
        raise ConfigError(f"{group}: nothing is chosen; choose with {group}=NAME")
    return config[group]


def build(group: str, node: DictConfig, base: type[T]) -> T:
    """Make the recipe that `node` describes.

    `_target_` must name a final class of this package that is a `base`; what it *resolves* to
    counts, not how it is spelled. Raises `ConfigError` naming key, value and what is allowed.
    """
    kind = _part_class(group, node, base)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    faults = [
        f"{group}.{key}: {kind.__name__} has no option '{key}'; {did_you_mean(key, known)}"
        for key in map(str, node)
        if key not in known and key != "_target_"
    ]
    faults += [
        f"{group}.{name}: a value is missing; set {group}.{name}=..."
        for name in known
        if name not in node
    ]
    if faults:
        raise ConfigError("\n".join(faults))
    return typed(group, kind, node)


def typed(section: str, schema: type[T], values: object) -> T:
    """Check `values` against a dataclass and make it; every fault becomes a `ConfigError`."""
    structured = OmegaConf.structured(schema)
    OmegaConf.set_readonly(structured, None)
    try:
        # As plain values: a node of the same schema would be merged without being checked.
        if isinstance(values, DictConfig):
            values = {key: v for key, v in _container(values).items() if key != "_target_"}
        _refuse_truths(section, schema, values)
        made = OmegaConf.to_object(OmegaConf.merge(structured, as_texts(values)))
    except OmegaConfBaseException as error:
        raise ConfigError(_one_line(section, error)) from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return made  # type: ignore[return-value]


def _refuse_truths(section: str, schema: type[Any], values: object) -> None:
    """Raise `ConfigError` for true or false in place of a number: OmegaConf takes it for 1 or 0."""
    kinds = {field.name: str(field.type) for field in fields(schema)}
    given = values if isinstance(values, Mapping) else {}
    for key, value in given.items():
        wanted = kinds[key] if key in kinds else ""
        if isinstance(value, bool) and ("int" in wanted or "float" in wanted):
            raise ConfigError(f"{section}.{key}={str(value).lower()}: allowed is a number")


def _one_line(section: str, error: OmegaConfBaseException) -> str:
    if isinstance(error.__cause__, ValueError) and not isinstance(
        error.__cause__, OmegaConfBaseException
    ):
        return str(error.__cause__)
    place = (error.full_key or "").removeprefix(section).lstrip(".")
    key = f"{section}.{place}" if place else section
    if isinstance(error, ConfigKeyError):
        return f"{key}: no such key"
    return f"{key}: {str(error).splitlines()[0]}"


def _part_class(group: str, node: object, base: type[T]) -> type[T]:
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise ConfigError(
            f"{group}: no part is chosen; choose one with {group}=NAME; a file of your own names "
            "its class in a line _target_: PACKAGE.MODULE.CLASS"
        )
    target = str(node["_target_"])
    module_name, _, class_name = target.rpartition(".")
    packages = [PACKAGE, *trusted()]
    refusal = ConfigError(
        f"{group}._target_={target}: not a part; allowed is a class of {', '.join(packages)} that "
        f"is an {base.__name__}; plugins=[PACKAGE] adds a package of your own"
    )
    if not any(module_name == name or module_name.startswith(f"{name}.") for name in packages):
        raise refusal
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise refusal from None
        raise ConfigError(f"{group}._target_={target}: cannot be imported ({error})") from error
    kind = vars(module)[class_name] if class_name in vars(module) else None
    if not (isinstance(kind, type) and issubclass(kind, base) and not inspect.isabstract(kind)):
        raise refusal
    return kind


def read_config(file: Path) -> Config:
    """A resolved configuration as it stands in a folder; raises `ConfigError`."""
    try:
        config = OmegaConf.load(file)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException, RecursionError) as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{file}: cannot be read as a configuration ({told})") from error
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{file}: cannot be read as a configuration (holds no `key: value`)")
    return config


def read_run_config(file: Path) -> Config:
    """The whole configuration of a run; raises `ConfigError` also where a section is missing."""
    config = read_config(file)
    missing = [section for section in SECTIONS if section not in config]
    if missing:
        raise ConfigError(
            f"{file}: not the whole configuration ({missing[0]} is missing); put it back or name "
            "another folder"
        )
    return config


def write_config(file: Path, config: Config) -> None:
    """Write a configuration with every interpolation resolved; `${` in a text stays text."""
    write_text(file, OmegaConf.to_yaml(OmegaConf.create(as_texts(config))))


def as_texts(value: Any) -> Any:
    """Resolved plain values, whose texts OmegaConf reads as they are."""
    if isinstance(value, DictConfig | ListConfig):
        value = OmegaConf.to_container(value, resolve=True, enum_to_str=True)
    if isinstance(value, dict):
        return {key: as_texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_texts(one) for one in value]
    return escaped(value) if isinstance(value, str) else value


def escaped(text: str) -> str:
    """A text that OmegaConf reads as it is."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def plain(config: Config) -> dict[str, Any]:
    """A configuration as nested dictionaries, for trackers."""
    return {str(key): value for key, value in _container(config).items()}


def as_config(values: dict[str, Any]) -> Config:
    """Nested dictionaries as a configuration."""
    return OmegaConf.create(values)


def _container(node: DictConfig) -> dict[Any, Any]:
    return OmegaConf.to_container(node, resolve=True, enum_to_str=True)  # type: ignore[return-value]

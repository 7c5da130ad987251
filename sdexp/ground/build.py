"""From configuration to recipes: the only place that resolves a `_target_`."""

import ast
import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from sdexp.ground.errors import ConfigError
from sdexp.ground.files import write_text

PACKAGE = "sdexp"
TORCH_OPTIM = "torch.optim"

T = TypeVar("T")
Config = DictConfig
"""A composed configuration; only doors and this module look inside."""


@dataclass(frozen=True)
class OptimizerRecipe:
    """A torch optimizer by class name, with its own arguments."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def lr(self) -> float:
        return float(self.arguments["lr"])


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
        made = OmegaConf.to_object(OmegaConf.merge(structured, values))
    except OmegaConfBaseException as error:
        raise ConfigError(_one_line(section, error)) from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return made  # type: ignore[return-value]


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
    if not OmegaConf.is_dict(node) or "_target_" not in node:  # type: ignore[operator]
        raise ConfigError(f"{group}: no part is chosen; choose one with {group}=NAME")
    target = str(node["_target_"])  # type: ignore[index]
    module_name, _, class_name = target.rpartition(".")
    refusal = ConfigError(
        f"{group}._target_={target}: not a part; allowed is a class of {PACKAGE} that is "
        f"an {base.__name__}"
    )
    if not module_name.startswith(f"{PACKAGE}."):
        raise refusal
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError:
        raise refusal from None
    kind = vars(module)[class_name] if class_name in vars(module) else None
    if not (isinstance(kind, type) and issubclass(kind, base) and not inspect.isabstract(kind)):
        raise refusal
    return kind


def optimizer_recipe(node: DictConfig) -> OptimizerRecipe:
    """Check an optimizer node by torch's own source, without importing torch.

    Raises `ConfigError` for a class that is no torch optimizer, and for arguments that its
    constructor does not have.
    """
    target = str(node["_target_"]) if "_target_" in node else ""
    signatures = _torch_optimizers()
    name = target.removeprefix(f"{TORCH_OPTIM}.")
    if not target.startswith(f"{TORCH_OPTIM}.") or name not in signatures:
        raise ConfigError(
            f"optimizer._target_={target}: not an optimizer of torch.optim; "
            f"{did_you_mean(name, sorted(signatures))}"
        )
    arguments = {str(k): v for k, v in _container(node).items() if k != "_target_"}
    known = signatures[name]
    faults = [
        f"optimizer.{key}: {name} has no option '{key}'; {did_you_mean(key, known)}"
        for key in arguments
        if key not in known and not (key == "fused" and arguments[key] is None)
    ]
    lr = arguments["lr"] if "lr" in arguments else None
    if isinstance(lr, bool) or not isinstance(lr, int | float) or not 0 < lr < float("inf"):
        faults.append(f"optimizer.lr={lr}: allowed is a finite number above 0")
    if faults:
        raise ConfigError("\n".join(faults))
    return OptimizerRecipe(name, {k: v for k, v in arguments.items() if k in known})


def read_config(file: Path) -> Config:
    """A resolved configuration as it stands in a run folder."""
    try:
        config = OmegaConf.load(file)
    except (OSError, YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read as a configuration ({error})") from error
    assert isinstance(config, DictConfig)
    return config


def write_config(file: Path, config: Config) -> None:
    """Write a configuration with every interpolation resolved."""
    write_text(file, OmegaConf.to_yaml(config, resolve=True))


def plain(config: Config) -> dict[str, Any]:
    """A configuration as nested dictionaries, for trackers."""
    return {str(key): value for key, value in _container(config).items()}


def _container(node: DictConfig) -> dict[Any, Any]:
    return OmegaConf.to_container(node, resolve=True, enum_to_str=True)  # type: ignore[return-value]


def _torch_optimizers() -> dict[str, list[str]]:
    """Constructor arguments of each optimizer class, read from the files of `torch.optim`."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None and spec.origin is not None
    found = {}
    for file in sorted((Path(spec.origin).parent / "optim").glob("[a-z]*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and _is_optimizer(node):
                found[node.name] = _constructor_arguments(node)
    return found


def _is_optimizer(node: ast.ClassDef) -> bool:
    """An optimizer whose `step` can be called without a closure."""
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    steps = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "step"]
    return bool(bases & {"Optimizer", "Adam"}) and all(step.args.defaults for step in steps)


def _constructor_arguments(node: ast.ClassDef) -> list[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            arguments = [*item.args.args, *item.args.kwonlyargs]
            return [a.arg for a in arguments if a.arg not in ("self", "params")]
    return []

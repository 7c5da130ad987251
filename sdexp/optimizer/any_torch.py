"""Any other optimizer of torch, by the name of its class."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.build import did_you_mean
from sdexp.ground.errors import ConfigError
from sdexp.optimizer.base import AbstractOptimizer, check_rate, is_fused

if TYPE_CHECKING:
    import torch

PREFIX = "torch.optim."


@dataclass(frozen=True)
class AnyTorch(AbstractOptimizer):
    """The class `name` of `torch.optim`, with its own `arguments` beside `lr`.

    In YAML it is written as `_target_: torch.optim.<name>` with torch's argument names.
    """

    name: str
    arguments: dict[str, Any]

    def __post_init__(self) -> None:
        check_rate(self.lr)

    def check(self) -> None:
        """Make the optimizer and let it take a step over a small parameter."""
        import torch

        kind = self._kind()
        faults = _wrong_arguments(self.name, kind, self.arguments)
        if faults:
            raise ConfigError("\n".join(faults))
        parameter = torch.nn.Parameter(torch.ones(2, 2))
        parameter.grad = torch.ones(2, 2)
        made = self.build([{"params": [parameter], "lr": self.lr, "name": ""}], "cpu")
        with self._refusals():
            made.step()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what torch refuses into one line."""
        try:
            yield
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"optimizer._target_={PREFIX}{self.name}: torch refuses it here "
                f"({str(error).splitlines()[0]}); change its arguments or choose another"
            ) from error

    def build(self, groups: list[dict[str, Any]], device: str) -> torch.optim.Optimizer:
        """Raises `ConfigError` for parameters of a shape that the class does not take."""
        kind = self._kind()
        arguments: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in self.arguments.items()
        }
        has_fused = "fused" in inspect.signature(kind).parameters
        wanted = arguments.pop("fused") if "fused" in arguments else None
        if has_fused:
            arguments["fused"] = is_fused(wanted, device)
        with self._refusals():
            return kind(groups, lr=self.lr, **arguments)

    def _kind(self) -> Any:
        """The class; raises `ConfigError` for a name that is none."""
        import torch

        kinds = {name: kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}
        # The base of them all is none of them.
        del kinds["Optimizer"]
        if self.name in kinds:
            return kinds[self.name]
        raise ConfigError(
            f"optimizer._target_={PREFIX}{self.name}: not an optimizer of torch.optim; "
            f"{did_you_mean(self.name, list(kinds))}"
        )


def _wrong_arguments(name: str, kind: Any, arguments: dict[str, Any]) -> list[str]:
    """A line for each argument that the class does not have, or that is of another type."""
    parameters = inspect.signature(kind).parameters
    known = [key for key in parameters if key != "params"]
    faults = []
    for key, value in arguments.items():
        if key == "fused" and value is None:
            continue
        if key not in known:
            hint = did_you_mean(key, known)
            faults.append(f"optimizer.{key}: {name} has no option '{key}'; {hint}")
        elif not _fits(parameters[key].default, value):
            default = parameters[key].default
            faults.append(f"optimizer.{key}={value}: allowed is a value such as {default}")
    return faults


def _fits(default: Any, value: Any) -> bool:
    """Whether a value may stand where torch has that default."""
    if isinstance(default, bool):
        return isinstance(value, bool)
    if default is None:
        return not isinstance(value, str)
    if isinstance(default, tuple):
        return isinstance(value, list) and len(value) == len(default)
    if isinstance(default, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, type(default))

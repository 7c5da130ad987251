"""Train whole networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.finetune.base import (
    AbstractFinetune,
    Restored,
    check_components,
    exchange_networks,
    freeze_all,
    unfreeze,
    write_component,
)
from sdexp.ground.checks import above, require
from sdexp.ground.errors import ConfigError
from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Whole(AbstractFinetune):
    """Every weight of the named networks, or of some of their layers; all else stays frozen.

    `learning_rates`: a rate for a component, where it is not that of the optimizer. `layers`: parts
    of the names of tensors, of which one must be in a name for the tensor to train; None for all.
    """

    learning_rates: dict[str, float]
    layers: list[str] | None

    def __post_init__(self) -> None:
        check_components(self.components)
        for name, rate in self.learning_rates.items():
            above("finetune.learning_rates", 0, **{name: rate})
            known = name in self.components
            require("finetune.learning_rates", known, name, rate, f"{', '.join(self.components)}")

    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        freeze_all(model)
        components = model.components()
        trained: dict[str, nn.Parameter] = {}
        for name in self.components:
            trained |= unfreeze(name, components[name], self._is_chosen)
        if not trained:
            raise ConfigError(
                f"finetune.layers={self.layers}: no tensor of {', '.join(self.components)} is "
                "called so; name parts of layers, such as attn2"
            )
        return trained

    def _is_chosen(self, name: str) -> bool:
        return self.layers is None or any(layer in name for layer in self.layers)

    def learning_rate(self, component: str) -> float | None:
        return self.learning_rates[component] if component in self.learning_rates else None

    def save(self, model: LoadedModel, folder: Path) -> None:
        components = model.components()
        for name in self.components:
            write_component(components[name], folder)

    def restore(self, model: LoadedModel, folder: Path) -> Restored:
        return exchange_networks(model, self.components, folder)

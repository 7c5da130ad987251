"""Train whole networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.finetune.base import (
    AbstractFinetune,
    Restored,
    check_components,
    exchange,
    freeze_all,
    read_component,
    unfreeze,
    write_component,
)
from sdexp.ground.applied import together
from sdexp.ground.config import above, require
from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Whole(AbstractFinetune):
    """Every weight of the named networks; all else stays frozen.

    `learning_rates`: a rate for a component, where it is not that of the optimizer.
    """

    learning_rates: dict[str, float]

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
            trained |= unfreeze(name, components[name].module)
        return trained

    def learning_rate(self, component: str) -> float | None:
        return self.learning_rates[component] if component in self.learning_rates else None

    def save(self, model: LoadedModel, folder: Path) -> None:
        components = model.components()
        for name in self.components:
            write_component(components[name], folder)

    def restore(self, model: LoadedModel, folder: Path) -> Restored:
        components = model.components()
        saved = {name: read_component(components[name], folder) for name in self.components}
        parts = [(name, exchange(components[name].module, saved[name])) for name in saved]
        model.weights_changed()

        def undo() -> None:
            for name, tensors in saved.items():
                exchange(components[name].module, tensors)
            model.weights_changed()

        return Restored(together(parts), undo)

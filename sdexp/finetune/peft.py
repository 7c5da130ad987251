"""Train with any method of PEFT that puts layers beside those of a network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.finetune.base import (
    AbstractFinetune,
    Restored,
    added,
    check_components,
    exchange_networks,
    freeze_all,
    write_component,
)
from sdexp.finetune.layouts import ADAPTER
from sdexp.finetune.merging import merged
from sdexp.ground.build import did_you_mean
from sdexp.ground.errors import ConfigError, DivergedError
from sdexp.model.base import LoadedModel

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Peft(AbstractFinetune):
    """A method by PEFT's name, such as LOHA, with the options of its own configuration class.

    What was trained is saved merged into the networks, because only LoRA has files of adapters that
    diffusers loads.
    """

    peft_type: str
    options: dict[str, Any]

    def __post_init__(self) -> None:
        check_components(self.components)

    def check(self) -> None:
        self._config()

    def _config(self) -> Any:
        """PEFT's configuration; raises `ConfigError` for what it does not have or take."""
        from peft import PEFT_TYPE_TO_CONFIG_MAPPING

        kinds = {kind.value: config for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
        if self.peft_type not in kinds:
            hint = did_you_mean(self.peft_type, sorted(kinds))
            raise ConfigError(f"finetune.peft_type={self.peft_type}: no method of PEFT; {hint}")
        kind = kinds[self.peft_type]
        if "modules_to_save" in self.options:
            raise ConfigError(
                "finetune.options.modules_to_save: layers that train whole cannot be merged; "
                "choose finetune=unet with finetune.layers for them"
            )
        known = [field.name for field in fields(kind) if field.init]
        for key in self.options:
            if key not in known:
                raise ConfigError(
                    f"finetune.options.{key}: {kind.__name__} has no option '{key}'; "
                    f"{did_you_mean(key, known)}"
                )
        try:
            return kind(**self.options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"finetune.options={self.options}: {error}") from error

    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        from peft import inject_adapter_in_model

        freeze_all(model)
        trained: dict[str, nn.Parameter] = {}
        for name in self.components:
            module = model.modules()[name]
            try:
                inject_adapter_in_model(self._config(), module, ADAPTER)
            except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
                first = (str(error).splitlines() or [type(error).__name__])[0]
                raise ConfigError(
                    f"finetune.peft_type={self.peft_type}: cannot be put into the {name} "
                    f"({first}); choose another method or other finetune.options"
                ) from error
            trained |= added(name, module)
        return trained

    def save(self, model: LoadedModel, folder: Path) -> None:
        components = model.components()
        made = {name: merged(components[name].module) for name in self.components}
        if not any(does_something for _, does_something in made.values()):
            raise DivergedError(
                "the adapters do nothing after the training: no weight of the networks is changed "
                "by them; raise optimizer.lr"
            )
        for name, (tensors, _) in made.items():
            write_component(components[name], folder, tensors)

    def restore(self, model: LoadedModel, folder: Path) -> Restored:
        return exchange_networks(model, self.components, folder)

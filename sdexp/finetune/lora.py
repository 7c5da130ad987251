"""Train low-rank adapters beside frozen weights (Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sdexp.finetune.adapters import restore_adapters
from sdexp.finetune.base import (
    AbstractFinetune,
    Restored,
    added,
    check_components,
    freeze_all,
)
from sdexp.finetune.formats import DIFFUSERS_FILE, adapter_tensors, write_diffusers
from sdexp.finetune.layouts import Place
from sdexp.ground.checks import above, at_least, require
from sdexp.ground.errors import ConfigError, DivergedError
from sdexp.model.base import Component, LoadedModel

if TYPE_CHECKING:
    from torch import nn

B = ".lora_B.weight"


class InitialA(StrEnum):
    """How A begins; other ways would change the frozen weights, which no adapter file has."""

    gaussian = "gaussian"
    kaiming = "kaiming"


@dataclass(frozen=True)
class Lora(AbstractFinetune):
    """Adapters of `rank` on the layers whose names end in one of `target_modules`.

    The adapter's output is scaled by `lora_alpha / rank`, with `use_rslora` by lora_alpha over the
    root of rank (Kalajdzievski 2023, arXiv 2312.03732); `use_dora` trains magnitude and direction
    apart (Liu et al. 2024, arXiv 2402.09353). `rank_pattern` and `alpha_pattern` are for layers
    whose names end so. B starts at zero, so that the model of step 0 equals the original; A as
    `init_lora_weights` says.
    """

    saves_networks: ClassVar[bool] = False

    rank: int
    lora_alpha: float
    lora_dropout: float
    target_modules: list[str]
    use_dora: bool
    use_rslora: bool
    init_lora_weights: InitialA
    rank_pattern: dict[str, int]
    alpha_pattern: dict[str, float]

    def __post_init__(self) -> None:
        check_components(self.components)
        at_least("finetune", 1, rank=self.rank)
        at_least("finetune.rank_pattern", 1, **self.rank_pattern)
        above("finetune", 0, lora_alpha=self.lora_alpha)
        above("finetune.alpha_pattern", 0, **self.alpha_pattern)
        dropout = self.lora_dropout
        require("finetune", 0 <= dropout < 1, "lora_dropout", dropout, "0 or more, below 1")
        targets = self.target_modules
        names = bool(targets) and all(isinstance(target, str) for target in targets)
        require("finetune", names, "target_modules", targets, "layers, such as [to_q,to_v]")

    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        freeze_all(model)
        components = model.components()
        adapted = {n: c.module for n, c in components.items() if c.adapter_prefix is not None}
        self._check_targets(adapted)
        self._check_patterns(adapted)
        trained: dict[str, nn.Parameter] = {}
        for name in self.components:
            module: Any = components[name].module
            module.add_adapter(self._peft_config(components[name].unread))
            if not self.use_dora:
                _take_inputs_as_they_are(module)
            trained |= added(name, module)
        return trained

    def _check_targets(self, adapted: dict[str, nn.Module]) -> None:
        """Raise `ConfigError` for a target that no layer has, and a component without a target."""
        found = {
            name: {target for target in self.target_modules if _is_target(module, target)}
            for name, module in adapted.items()
        }
        unknown = [t for t in self.target_modules if not any(t in of for of in found.values())]
        if unknown:
            raise ConfigError(
                f"finetune.target_modules: no linear or convolution layer is called {unknown[0]}; "
                "allowed are the ends of layer names, such as to_q, to_k, to_v, to_out.0"
            )
        bare = [name for name in self.components if not found[name]]
        if bare:
            raise ConfigError(
                f"finetune.target_modules={self.target_modules}: no such layer in {bare[0]}; "
                f"name one, or take {bare[0]} out of finetune.components"
            )

    def _check_patterns(self, adapted: dict[str, nn.Module]) -> None:
        """Raise `ConfigError` for a pattern that no layer has."""
        for key in {**self.rank_pattern, **self.alpha_pattern}:
            if not any(_is_target(module, key) for module in adapted.values()):
                raise ConfigError(
                    f"finetune.rank_pattern, alpha_pattern: no layer is called {key}; name the end "
                    "of a layer's name, such as attn2.to_k"
                )

    def _peft_config(self, unread: tuple[str, ...]) -> Any:
        """unread: how the names of layers begin that get no adapter."""
        from peft import LoraConfig

        begins = "|".join(re.escape(prefix) for prefix in unread)
        return LoraConfig(
            r=self.rank,
            lora_alpha=self.lora_alpha,
            lora_dropout=self.lora_dropout,
            target_modules=self.target_modules,
            exclude_modules=f"({begins}).*" if unread else None,
            use_dora=self.use_dora,
            use_rslora=self.use_rslora,
            init_lora_weights="gaussian" if self.init_lora_weights == "gaussian" else True,
            rank_pattern=dict(self.rank_pattern),
            alpha_pattern=dict(self.alpha_pattern),
        )

    def save(self, model: LoadedModel, folder: Path) -> None:
        tensors = [adapter_tensors(model.modules()[name]) for name in self.components]
        if not any(t.any() for one in tensors for key, t in one.items() if key.endswith(B)):
            raise DivergedError(
                "the adapters do nothing after the training: all B matrices are zero; raise "
                "optimizer.lr"
            )
        write_diffusers(model, folder)

    def restore(self, model: LoadedModel, folder: Path) -> Restored:
        expected = {
            Place(name, layer)
            for name, component in model.components().items()
            if name in self.components
            for layer, module in component.module.named_modules()
            if self._is_adapted(layer, module, component)
        }
        return restore_adapters(model, folder / DIFFUSERS_FILE, expected)

    def _is_adapted(self, layer: str, module: Any, component: Component) -> bool:
        named = any(layer == t or layer.endswith(f".{t}") for t in self.target_modules)
        return named and _is_layer(module) and not layer.startswith(component.unread)


def _take_inputs_as_they_are(module: Any) -> None:
    """Without copies in float32, which autocast would turn back before they are multiplied.

    DoRA also adds them up, for which the precision counts.
    """
    from peft.tuners.lora import LoraLayer

    for part in module.modules():
        if isinstance(part, LoraLayer):
            part.cast_input_dtype_enabled = False


def _is_target(module: Any, target: str) -> bool:
    """Whether all layers of a module whose names end in `target` can be adapted; False if none."""
    named = [m for n, m in module.named_modules() if n == target or n.endswith(f".{target}")]
    return bool(named) and all(map(_is_layer, named))


def _is_layer(module: Any) -> bool:
    from torch import nn

    return isinstance(module, nn.Linear | nn.Conv2d)

"""A run's weights in the form that another tool reads."""

from collections.abc import Callable
from pathlib import Path

from sdexp.engine.originals import check_original
from sdexp.engine.weights import apply_weights
from sdexp.finetune.base import write_component
from sdexp.finetune.formats import (
    ExportFormat,
    adapted,
    write_diffusers,
    write_kohya,
    write_peft,
)
from sdexp.finetune.merging import merged
from sdexp.ground.assets import public_name
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes


def export(
    run: RunFolder, folder: Path, recipes: Recipes, form: ExportFormat, step: int | None
) -> None:
    """Write the weights of a run into a folder; raises `ConfigError` for what a format cannot.

    step: of a checkpoint whose weights were made; None for the final ones.
    """
    model = recipes.model.load("cpu")
    base = model.fingerprints()
    check_original(run, base)
    apply_weights(recipes.finetune, model, run.served(step))
    changed = [name for name, print_ in model.fingerprints().items() if base[name] != print_]
    writers: dict[ExportFormat, Callable[[], None]] = {
        ExportFormat.diffusers: lambda: _diffusers(model, folder, changed),
        ExportFormat.peft: lambda: write_peft(model, folder, public_name(recipes.model.name)),
        ExportFormat.kohya: lambda: write_kohya(model, folder, _notes(run, recipes, base)),
        ExportFormat.pipeline: lambda: _pipeline(model, folder),
    }
    if form in (ExportFormat.peft, ExportFormat.kohya) and not adapted(model):
        raise ConfigError(
            f"format={form}: holds adapters, and this run trained whole networks "
            f"({', '.join(changed)}); choose diffusers or pipeline"
        )
    writers[form]()


def _notes(run: RunFolder, recipes: Recipes, base: dict[str, str]) -> dict[str, str]:
    """Where the weights come from, for the header of a file."""
    return {
        "sdexp.run": run.path.name,
        "sdexp.base_model": public_name(recipes.model.name),
        "sdexp.base_sha256": base["unet"] if "unet" in base else next(iter(base.values())),
    }


def _diffusers(model: LoadedModel, folder: Path, changed: list[str]) -> None:
    """What was trained alone: a file of adapters, or the changed networks."""
    if adapted(model):
        write_diffusers(model, folder)
        return
    components = model.components()
    for name in changed:
        write_component(components[name], folder)


def _pipeline(model: LoadedModel, folder: Path) -> None:
    """Everything that plain diffusers needs, adapters merged."""
    with_adapters = adapted(model)
    for name, component in model.components().items():
        tensors = merged(component.module)[0] if name in with_adapters else None
        write_component(component, folder, tensors)
    model.save_settings(folder)

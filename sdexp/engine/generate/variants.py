"""States of the weights of one run, in one original."""

from collections.abc import Iterator
from contextlib import contextmanager

from sdexp.engine.weights import apply_weights
from sdexp.ground.errors import ConfigError
from sdexp.ground.picture_requests import Variant
from sdexp.ground.run import RunFolder
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes


@contextmanager
def as_variant(
    run: RunFolder, recipes: Recipes, model: LoadedModel, variant: Variant
) -> Iterator[None]:
    """Have the model be a variant for a while, with proof; then it is the original again.

    Raises `ConfigError` for a strength of weights that have none.
    """
    if variant.is_original:
        yield
        return
    restored = apply_weights(recipes.finetune, model, run.served(variant.step))
    try:
        if variant.strength != 1:
            if restored.rescale is None:
                raise ConfigError(
                    f"strengths=[{variant.strength:g}]: these weights are whole networks; only "
                    "adapters have a strength"
                )
            restored.rescale(variant.strength)
        yield
    finally:
        restored.undo()

"""States of the weights of one run, in one original."""

from collections.abc import Iterator
from contextlib import contextmanager

from sdexp.engine.switching import Switchable
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
    weights = Switchable(model, recipes.finetune, run.served(variant.step))
    with weights.put_in(variant.strength):
        yield

"""The trained weights in an original, with proof."""

from pathlib import Path

from sdexp.finetune.base import AbstractFinetune, Restored
from sdexp.ground.errors import DataError
from sdexp.model.base import LoadedModel


def apply_weights(finetune: AbstractFinetune, model: LoadedModel, folder: Path) -> Restored:
    """Put the weights of a run into an original; raises `DataError` without a whole proof.

    Then the model is the original again.
    """
    restored = finetune.restore(model, folder)
    try:
        restored.applied.check(finetune.source(folder))
    except DataError:
        restored.undo()
        raise
    return restored

"""The trained weights in an original, with proof."""

from pathlib import Path

from sdexp.finetune.base import AbstractFinetune, Restored
from sdexp.model.base import LoadedModel


def apply_weights(finetune: AbstractFinetune, model: LoadedModel, folder: Path) -> Restored:
    """Put the weights of a run into an original; raises `DataError` without a whole proof."""
    restored = finetune.restore(model, folder)
    restored.applied.check(finetune.source(folder))
    return restored

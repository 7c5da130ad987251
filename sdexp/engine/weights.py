"""The trained weights in an original, with proof."""

from sdexp.finetune.base import AbstractFinetune, Restored
from sdexp.ground.run import RunFolder
from sdexp.model.base import LoadedModel


def apply_weights(finetune: AbstractFinetune, model: LoadedModel, run: RunFolder) -> Restored:
    """Put the weights of a run into an original; raises `DataError` without a whole proof."""
    restored = finetune.restore(model, run.weights)
    restored.applied.check(finetune.source(run.weights))
    return restored

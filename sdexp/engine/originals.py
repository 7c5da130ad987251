"""Whether the original is still the one that a run was made from."""

from sdexp.ground.errors import DataError
from sdexp.ground.run import RunFolder
from sdexp.model.base import LoadedModel


def check_original(run: RunFolder, model: LoadedModel) -> None:
    """Raise `DataError` when weights or settings of the original are not those of the training.

    `model` is the original, with nothing of the run in it.
    """
    before = run.read_record().base_weights
    found = model.fingerprints()
    changed = [name for name in sorted({*before, *found}) if before.get(name) != found.get(name)]
    if before and changed:
        raise DataError(
            f"run={run.path}: the original changed since the training ({', '.join(changed)}); put "
            "it back, or train again in a new folder"
        )

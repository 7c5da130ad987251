"""Whether the original is still the one that a run was made from."""

from sdexp.ground.errors import DataError
from sdexp.ground.run import RunFolder


def check_original(run: RunFolder, found: dict[str, str]) -> None:
    """Raise `DataError` when weights or settings of the original are not those of the training.

    `found`: fingerprints of the original, with nothing of the run in it.
    """
    before = run.read_record().base_weights
    changed = [name for name in sorted({*before, *found}) if before.get(name) != found.get(name)]
    if before and changed:
        raise DataError(
            f"run={run.path}: the original changed since the training ({', '.join(changed)}); put "
            "it back, or train again in a new folder"
        )

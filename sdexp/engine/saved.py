"""Whether `weights/` still holds what training wrote there."""

from pathlib import Path

from sdexp.ground.errors import DataError
from sdexp.ground.files import file_sha256
from sdexp.ground.records import SavedFile
from sdexp.ground.run import RunFolder


def describe(folder: Path) -> dict[str, SavedFile]:
    """Every file below a folder of weights by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): SavedFile(file_sha256(path), _shapes(path))
        for path in files
    }


def check_weights(run: RunFolder, given: list[Path], notes: bool) -> None:
    """Raise `DataError` unless the files of weights are those that the run's record names.

    given: files outside of the run that its weights are read from, which are noted the first time
    by the process that `notes`.
    """
    if notes and given and not run.read_record().weights:
        seen = {str(file.absolute()): SavedFile(file_sha256(file), _shapes(file)) for file in given}
        run.change_record(weights=seen)
    for name, saved in run.read_record().weights.items():
        file = run.weights / name
        if not file.is_file():
            raise DataError(f"{file}: missing; {_remedy(run)}")
        if file_sha256(file) != saved.sha256:
            raise DataError(
                f"{file}: not what the training wrote or was given ({_told(file, saved)}); "
                f"{_remedy(run)}"
            )


def _remedy(run: RunFolder) -> str:
    if not run.weights.is_dir():
        return "put it back, or name it with finetuned=... in a new folder"
    return (
        f"put it back, or remove {run.weights} and let python -m sdexp.train run_dir={run.path} "
        "write it again from the last checkpoint"
    )


def _told(file: Path, saved: SavedFile) -> str:
    """What is different, as far as names and shapes tell."""
    try:
        found = _shapes(file)
    except DataError:
        return "it cannot be read"
    missing = [name for name in saved.shapes if name not in found]
    other = [name for name in found if saved.shapes.get(name) != found[name]]
    if missing or other:
        return (
            f"{len(missing)} of {len(saved.shapes)} tensors missing, {len(other)} unexpected, "
            f"first: {(missing + other)[0]}"
        )
    return "other values or other metadata"


def _shapes(file: Path) -> dict[str, list[int]]:
    from safetensors import SafetensorError, safe_open

    if file.suffix != ".safetensors":
        return {}
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: list(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(f"{file}: damaged ({error})") from error

"""Safetensors files: written whole or not at all, and read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.ground.errors import DataError, DiskError
from sdexp.ground.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(
    file: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors in the order of their names; raises `DiskError` when the disk refuses."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    ordered = {key: tensors[key].detach().cpu().contiguous() for key in sorted(tensors)}
    with written_whole(file) as temporary:
        try:
            save_file(ordered, temporary, metadata=metadata)
        except SafetensorError as error:
            raise DiskError(f"{file}: cannot be written ({error})") from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a file; `DataError` when it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except FileNotFoundError:
        raise DataError(f"{file}: missing; put it back") from None
    except SafetensorError as error:
        raise DataError(f"{file}: damaged ({error})") from error

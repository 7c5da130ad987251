"""Safetensors files: written whole or not at all, and read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.ground.errors import DataError, DiskError
from sdexp.ground.files import written_whole
from sdexp.ground.pointers import FETCH, pointer

if TYPE_CHECKING:
    from torch import Tensor

# How files begin that people have in place of weights.
OTHERS = {
    b"<!doctype html": "a page of HTML, not the weights; download the file itself",
    b"<html": "a page of HTML, not the weights; download the file itself",
    b"pk\x03\x04": "a pickle under another name, which can run any code; convert it to safetensors",
    b"\x80": "a pickle under another name, which can run any code; convert it to safetensors",
}


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


def read_metadata(file: Path) -> dict[str, str]:
    """The texts in the header of a safetensors file; raises `DataError` where it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            return dict(opened.metadata() or {})
    except SafetensorError as error:
        raise DataError(f"{file}: {_what_it_is(file, error)}") from error


def _what_it_is(file: Path, error: Exception) -> str:
    """What a file is that is no safetensors file."""
    with file.open("rb") as opened:
        begin = opened.read(64).lstrip().lower()
    kind = pointer(begin)
    if kind is not None:
        return f"{kind}, not the weights; {FETCH}"
    for start, told in OTHERS.items():
        if begin.startswith(start):
            return told
    return f"damaged ({error})"


def check_finite(what: str, tensors: dict[str, Tensor]) -> None:
    """Raise `DataError` for a tensor with a value that is not finite, or with rounded numbers.

    A single whole number is well, as alpha may be.
    """
    for name, tensor in tensors.items():
        if tensor.numel() > 1 and not tensor.is_floating_point():
            raise DataError(
                f"{what}: {name} holds whole numbers, as quantised weights do; get them in a "
                "floating type"
            )
        if not _is_finite(tensor):
            raise DataError(f"{what}: {name} holds values that are no finite numbers")


def _is_finite(tensor: Tensor) -> bool:
    """Asked of the smallest and the largest number: one pass over memory, nothing made."""
    # Types of eight bits have no order.
    numbers = tensor.float() if tensor.element_size() == 1 else tensor
    return not tensor.numel() or all(bool(end.isfinite()) for end in numbers.aminmax())


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a file; `DataError` when it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except FileNotFoundError:
        raise DataError(f"{file}: missing; put it back") from None
    except SafetensorError as error:
        raise DataError(f"{file}: {_what_it_is(file, error)}") from error

"""The one reader and the one writer of records, which are frozen dataclasses.

A file that does not fit its record is told in one line, whatever is wrong with it, so that nobody
who reads a record has to guess.
"""

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sdexp.ground.errors import DataError
from sdexp.ground.files import write_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# Of all records; raised when one of them changes.
FORMAT = 3

T = TypeVar("T")


def write_record(file: Path, record: object) -> None:
    """Write a record whole; raises `DiskError`."""
    values = {"format": FORMAT} | asdict(record)  # type: ignore[call-overload]
    write_text(file, json.dumps(values, indent=2) + "\n")


def read_record(file: Path, kind: type[T]) -> T:
    """The record in a file; raises `DataError` where it is missing, damaged or foreign."""
    values = _values(file)
    found = values.pop("format", 0)
    if found != FORMAT:
        raise DataError(
            f"{file}: has format {found}, this version of sdexp reads {FORMAT}; make the run again "
            "or use the version that made it"
        )
    try:
        return _adapter(kind).validate_python(values)  # type: ignore[arg-type]
    except ValueError as error:
        raise DataError(_damaged(file, _first_fault(error))) from error


def _damaged(file: Path, what: str) -> str:
    return f"{file}: damaged ({what}); put it back or name another folder"


def _values(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{file}: missing; put it back or name another folder") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(_damaged(file, str(error).splitlines()[0])) from error
    if not isinstance(values, dict):
        raise DataError(_damaged(file, "holds no record"))
    return values


@cache
def _adapter(kind: type[T]) -> "TypeAdapter[T]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _first_fault(error: ValueError) -> str:
    """Place and words of the first thing that does not fit."""
    from pydantic import ValidationError

    assert isinstance(error, ValidationError)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])

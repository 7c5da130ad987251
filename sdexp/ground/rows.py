"""Tables of an evaluation: a row for each picture, and a row for each prompt and model."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from sdexp.ground.errors import DataError
from sdexp.ground.files import written_whole


@dataclass(frozen=True)
class PictureRow:
    """A picture: which, of which model, and its score by each per-picture metric.

    path: below the folder of the evaluation.
    """

    prompt_id: str
    replicate: int
    model: str
    sample_id: str
    caption: str
    path: str
    pixel_sha256: str
    scores: dict[str, float]


@dataclass(frozen=True)
class PromptRow:
    """What a prompt adds to each metric of a model: the metric is the mean over prompts.

    values: by metric, of those that can be told prompt by prompt.
    """

    prompt_id: str
    model: str
    values: dict[str, float]


Row = TypeVar("Row")
FIXED = tuple(field.name for field in fields(PictureRow) if field.name != "scores")


def write_rows(path: Path, rows: list[PictureRow]) -> None:
    """Write all rows; each metric is a column. Raises `DiskError`."""
    flat = [{key: value for key, value in asdict(row).items() if key in FIXED} for row in rows]
    _write(path, [values | row.scores for values, row in zip(flat, rows, strict=True)])


def write_prompt_rows(path: Path, rows: list[PromptRow]) -> None:
    """The same of prompts."""
    _write(path, [{"prompt_id": r.prompt_id, "model": r.model} | r.values for r in rows])


def _write(path: Path, table: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with written_whole(path) as temporary:
        pq.write_table(pa.Table.from_pylist(table), temporary)


def read_rows(path: Path) -> list[PictureRow]:
    """Every row in order; raises `DataError` for a damaged file."""
    return _read(path, _row)


def read_prompt_rows(path: Path) -> list[PromptRow]:
    """The same of prompts."""
    return _read(path, _prompt_row)


def _read(path: Path, row: Callable[[dict[str, Any]], Row]) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return [row(values) for values in pq.read_table(path).to_pylist()]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: damaged ({told}); put it back or evaluate again") from error


def _prompt_row(values: dict[str, Any]) -> PromptRow:
    numbers = {k: float(v) for k, v in values.items() if k not in ("prompt_id", "model")}
    return PromptRow(values["prompt_id"], values["model"], numbers)


def _row(values: dict[str, Any]) -> PictureRow:
    scores = {key: float(value) for key, value in values.items() if key not in FIXED}
    return PictureRow(**{key: values[key] for key in FIXED}, scores=scores)

"""`per_image.parquet`: one row for each picture of an evaluation."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

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


FIXED = tuple(field.name for field in fields(PictureRow) if field.name != "scores")


def write_rows(path: Path, rows: list[PictureRow]) -> None:
    """Write all rows; each metric is a column. Raises `DiskError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = [{key: value for key, value in asdict(row).items() if key in FIXED} for row in rows]
    table = [values | row.scores for values, row in zip(flat, rows, strict=True)]
    with written_whole(path) as temporary:
        pq.write_table(pa.Table.from_pylist(table), temporary)


def read_rows(path: Path) -> list[PictureRow]:
    """Every row in order; raises `DataError` for a damaged file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path).to_pylist()
        return [_row(values) for values in table]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: damaged ({told}); put it back or evaluate again") from error


def _row(values: dict[str, Any]) -> PictureRow:
    scores = {key: float(value) for key, value in values.items() if key not in FIXED}
    return PictureRow(**{key: values[key] for key in FIXED}, scores=scores)

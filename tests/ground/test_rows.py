from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.rows import read_rows, write_rows
from tests.records import row


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [row(f"id{k}", model, "c", clip=k / 3) for k in range(3) for model in ("a", "b")]
    file = tmp_path / "rows.parquet"
    write_rows(file, rows)
    assert read_rows(file) == rows
    assert pq.read_table(file).column_names[-1] == "clip"


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\x00" * 100, b"a,b\n1,2\n"])
def test_a_damaged_file_is_one_line(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "rows.parquet"
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"rows\.parquet: damaged"):
        read_rows(file)


def test_a_table_of_something_else_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(DataError, match="prompt_id"):
        read_rows(file)

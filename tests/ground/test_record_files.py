from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import RunRecord, SavedFile, SweepJob, SweepRecord
from tests.records import FINISHED, metric, scores, split

RUN = replace(
    FINISHED,
    data={"train": split("m", lost=1, dropped={"broken": 1})},
    weights={"unet/x.safetensors": SavedFile("f" * 64, {"a": [2, 3]})},
    grown_from=[4, None],
)
SWEEP = SweepRecord("x", "failed", "2026", [SweepJob(0, ["a=1"], "failed", 76, "why", 2.5)])


@pytest.mark.parametrize("record", [RUN, RunRecord(), SWEEP, scores({"kid": metric(3.0)})])
def test_records_come_back_as_they_were_written(tmp_path: Path, record: Any) -> None:
    file = tmp_path / "record.json"
    write_record(file, record)
    assert read_record(file, type(record)) == record
    before = file.read_bytes()
    write_record(file, read_record(file, type(record)))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "damaged"),
        (b"\x89PNG\x00", "damaged"),
        (b"[1, 2]", "holds no record"),
        (b'{"format": 3, "status": "fini', "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"{}", "has format 0, this version of sdexp reads 3"),
        (b'{"format": 4}', "has format 4"),
        (b'{"format": 3, "status": "done"}', "damaged (status: Input should be 'waiting'"),
        (b'{"format": 3, "training": {"steps": 3}}', "damaged (training.epochs: "),
        (b'{"format": 3, "exit_code": "x"}', "damaged (exit_code: "),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_record(file, RunRecord)
    assert words in str(caught.value) and str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.json: missing"):
        read_record(tmp_path / "run.json", RunRecord)
    with pytest.raises(DataError, match="cannot be read"):
        read_record(tmp_path, RunRecord)

import json
import time
from pathlib import Path

import pytest

from sdexp.ground.errors import DataError, DiskError
from sdexp.ground.log import LogTail, cut_after, read_log
from tests.records import logged, write_log


def record(step: int, value: float = 0.5) -> dict[str, object]:
    return {"step": step, "epoch": step / 10, "split": "train", "name": "loss", "value": value}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def test_write_appends_whole_lines_with_the_time(path: Path) -> None:
    write_log(path, [record(1)])
    write_log(path, [record(2), record(3, 1e-9)])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert list(lines[0]) == ["step", "epoch", "split", "name", "value", "time"]
    assert abs(lines[0]["time"] - time.time()) < 60
    assert lines[2]["value"] == 1e-9
    assert logged(path) == lines


def test_read_of_no_log_is_empty(path: Path) -> None:
    assert logged(path) == []


def test_read_skips_a_torn_last_line(path: Path) -> None:
    write_log(path, [record(1), record(2)])
    path.write_bytes(path.read_bytes()[:-7])
    assert [line["step"] for line in logged(path)] == [1]


def test_cut_after_drops_later_steps_and_a_torn_line(path: Path) -> None:
    write_log(path, [record(step) for step in range(1, 6)])
    before = path.read_text().splitlines(keepends=True)
    path.write_bytes(path.read_bytes() + b'{"step": 3, "na\xc3')
    cut_after(path, 3, 3)
    assert path.read_text() == "".join(before[:3])
    write_log(path, [record(4), record(5)])
    assert [line["step"] for line in logged(path)] == [1, 2, 3, 4, 5]


def test_cut_after_drops_a_validation_that_will_be_repeated(path: Path) -> None:
    checked = record(3) | {"split": "validation"}
    for looked, steps in ((3, [2, 3, 3]), (2, [2, 3])):
        path.unlink(missing_ok=True)
        write_log(path, [record(2), record(3), checked, record(4)])
        cut_after(path, 3, looked)
        assert [line["step"] for line in logged(path)] == steps


def test_cut_after_leaves_nothing_beside_the_log(path: Path) -> None:
    cut_after(path, 3, 3)
    assert list(path.parent.iterdir()) == []
    write_log(path, [record(1)])
    cut_after(path, 0, 0)
    assert [file.name for file in path.parent.iterdir()] == ["log.jsonl"]
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [b"rubbish", b"\x00\xff\x89PNG", b"[1]", b'{"step": 1}', b'{"a": 1}', b"[" * 100_000, b"",
     b'{"step": "1", "epoch": 0, "split": "train", "name": "loss", "value": 1, "time": 0}'],
)  # fmt: skip
def test_a_damaged_line_in_the_middle_is_told(path: Path, line: bytes) -> None:
    write_log(path, [record(1)])
    path.write_bytes(path.read_bytes() + line + b"\n")
    write_log(path, [record(2)])
    assert [row["step"] for row in logged(path)] == [1, 2] and read_log(path).damaged == [2]
    with pytest.raises(DataError, match="line 2 is damaged"):
        cut_after(path, 1, 1)


def test_a_log_knows_its_last_steps(path: Path) -> None:
    write_log(path, [record(1), record(3) | {"split": "validation"}, record(4)])
    log = read_log(path)
    assert log.last_step == 4 and log.last_steps() == {"train": 4, "validation": 3}
    assert read_log(path.with_name("absent")).last_step == 0


def test_a_tail_gives_each_row_once(path: Path) -> None:
    tail = LogTail(path)
    assert tail.rows() == ([], False)
    write_log(path, [record(1), record(2)])
    rows, is_new = tail.rows()
    assert [row.step for row in rows] == [1, 2] and is_new
    assert tail.rows() == ([], False)
    write_log(path, [record(3)])
    with path.open("ab") as file:
        file.write(b'{"step": 4')
    rows, is_new = tail.rows()
    assert [row.step for row in rows] == [3] and not is_new
    tail.restart()
    assert [row.step for row in tail.rows()[0]] == [1, 2, 3]


def test_a_tail_begins_again_where_the_log_was_cut(path: Path) -> None:
    tail = LogTail(path)
    write_log(path, [record(1), record(2), record(3)])
    tail.rows()
    cut_after(path, 1, 1)
    write_log(path, [record(2), record(3), record(4)])
    rows, is_new = tail.rows()
    assert [row.step for row in rows] == [1, 2, 3, 4] and is_new


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="cannot be written"):
        write_log(tmp_path / "file" / "log.jsonl", [record(1)])

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.ground.errors import DataError, DiskError
from sdexp.ground.tensors import read_tensors, write_tensors


def test_equal_tensors_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    a, b = torch.arange(6.0).reshape(2, 3), torch.arange(4).T
    write_tensors(tmp_path / "one", {"a": a, "b": b}, {"format": "pt"})
    write_tensors(tmp_path / "two", {"b": b, "a": a.T.contiguous().T}, {"format": "pt"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert torch.equal(load_file(tmp_path / "one")["a"], a)


def test_a_full_disk_is_told_and_leaves_nothing() -> None:
    """/dev/full takes no byte; its folder no file, which is the same fault to a person."""
    with pytest.raises(DiskError, match="cannot be written"):
        write_tensors(Path("/dev/full/weights"), {"a": torch.zeros(3)})


def test_what_was_there_stays_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights"
    write_tensors(file, {"a": torch.zeros(3)})
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskError, match="No space left"):
        write_tensors(file, {"a": torch.ones(3)})
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def test_missing_and_damaged_files_are_told(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    with pytest.raises(DataError, match="missing; put it back"):
        read_tensors(file)
    save_file({"a": torch.ones(3)}, file)
    assert (read_tensors(file)["a"] == 1).all()
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"x\.safetensors: damaged"):
        read_tensors(file)

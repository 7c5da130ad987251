from pathlib import Path

import pytest
import torch

from sdexp.engine.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    newest_checkpoint,
    restore_optimizer,
    save_checkpoint,
    saved_steps,
    verify,
)


def checkpoint(step: int) -> Checkpoint:
    tensors = {"trained": {"a": torch.full((3,), float(step)), "b": torch.ones(2, 2)}}
    return Checkpoint(step, tensors, {"best": None, "bad_checks": step})


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(5), keep=2)
    found, damaged = newest_checkpoint(tmp_path)
    assert found is not None and found.step == 5 and not damaged
    assert torch.equal(found.tensors["trained"]["a"], torch.full((3,), 5.0))
    assert found.values == {"best": None, "bad_checks": 5}


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        save_checkpoint(tmp_path, checkpoint(step), keep=2)
    assert saved_steps(tmp_path) == [3, 10]
    assert not list(tmp_path.glob(".tmp-*"))


def test_old_checkpoints_go_only_after_the_new_one_reads_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, checkpoint(step), keep=2)
    monkeypatch.setattr("sdexp.engine.checkpoint.verify", lambda path: False)
    with pytest.raises(AssertionError, match="does not read back"):
        save_checkpoint(tmp_path, checkpoint(3), keep=2)
    assert saved_steps(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("file", ["trained.safetensors", "values.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_older_one(
    tmp_path: Path, file: str, damage: str
) -> None:
    save_checkpoint(tmp_path, checkpoint(1), keep=3)
    save_checkpoint(tmp_path, checkpoint(2), keep=3)
    path = tmp_path / "000002" / file
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(data) // 2
        changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes({"flip": changed, "cut": data[:-1], "empty": b""}[damage])
    found, damaged = newest_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    assert damaged == [tmp_path / "000002"]


def test_a_half_written_folder_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".tmp-000004-1").mkdir()
    assert newest_checkpoint(tmp_path) == (None, [])
    assert newest_checkpoint(tmp_path / "absent") == (None, [])
    assert not verify(tmp_path / ".tmp-000004-1")


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad])
def test_an_optimizer_goes_on_bit_for_bit(kind: type[torch.optim.Optimizer]) -> None:
    def run(steps: range, parameter: torch.nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        for step in steps:
            optimizer.zero_grad()
            (parameter.square() * (step + 1)).sum().backward()
            optimizer.step()

    options = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    whole = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    run(range(6), whole, kind([whole], lr=0.01, **options))
    half = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    first = kind([half], lr=0.01, **options)
    run(range(3), half, first)
    tensors, numbers = flatten_optimizer(first)
    second = kind([half], lr=0.01, **options)
    restore_optimizer(second, {k: t.clone() for k, t in tensors.items()}, numbers)
    run(range(3, 6), half, second)
    assert torch.equal(half, whole)

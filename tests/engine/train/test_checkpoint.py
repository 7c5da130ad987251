import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdexp.engine.train.checkpoint import (
    QUARANTINE,
    Checkpoint,
    flatten_optimizer,
    read_checkpoint,
    restore_optimizer,
    save_checkpoint,
    settle,
)
from sdexp.ground.errors import DataError, DiskError
from sdexp.ground.run import saved_steps

STEPS = (10, 20, 30)


def checkpoint(step: int) -> Checkpoint:
    random_numbers = torch.Generator().manual_seed(step)
    trained = {"a": torch.randn(300, generator=random_numbers), "b": torch.full((2, 2), step)}
    optimizer = {"0.exp_avg": torch.randn(300, generator=random_numbers)}
    return Checkpoint(step, {"trained": trained, "optimizer": optimizer}, {"bad_checks": step})


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder with the checkpoints of three steps."""
    for step in STEPS:
        save_checkpoint(tmp_path, checkpoint(step), keep=3)
    return tmp_path


def is_whole(folder: Path, step: int) -> bool:
    found, expected = read_checkpoint(folder, step), checkpoint(step)
    return found.values == expected.values and all(
        torch.equal(found.tensors[group][name], tensor)
        for group, tensors in expected.tensors.items()
        for name, tensor in tensors.items()
    )


def test_round_trip(three: Path) -> None:
    assert settle(three) == (30, [])
    assert all(is_whole(three, step) for step in STEPS)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        save_checkpoint(tmp_path, checkpoint(step), keep=2)
    assert saved_steps(tmp_path) == [3, 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000003", "000010"]


def test_old_checkpoints_go_only_after_the_new_one_reads_back(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes the bytes and gives back others."""

    rename = Path.rename

    def bit_rot(path: Path, target: Path) -> Path:
        if not path.name.startswith(".tmp-"):
            return rename(path, target)
        file = path / "trained.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", bit_rot)
    with pytest.raises(DiskError, match="does not read back as written"):
        save_checkpoint(three, checkpoint(40), keep=1)
    monkeypatch.undo()
    assert saved_steps(three) == [*STEPS, 40]
    assert settle(three)[0] == 30


def test_everything_is_on_disk_before_it_counts(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of requests, because no test can cut the power."""
    requests: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(handle: int) -> None:
        requests.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))))
        fsync(handle)

    def noted_rename(source: Path, target: Path) -> None:
        requests.append(("rename", os.path.basename(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    save_checkpoint(three, checkpoint(40), keep=3)
    commit = requests.index(("rename", "000040"))
    synced = {name.removeprefix(".tmp-") for what, name in requests[:commit] if what == "fsync"}
    for name in FILES:
        assert any(file.startswith(name) for file in synced), name
    assert any(name.startswith("000040") for name in synced), "the folder itself"
    assert requests[commit + 1] == ("fsync", three.name)
    assert requests[commit + 2][1].startswith(".del-000010")


Damage = Callable[[Path, random.Random], None]


def cut(file: Path, rng: random.Random) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: rng.choice([0, 1, len(data) // 2, len(data) - 1])])


def flip(file: Path, rng: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def zero_tail(file: Path, rng: random.Random) -> None:
    data = file.read_bytes()
    kept = rng.randrange(len(data) - 1)
    file.write_bytes(data[:kept] + bytes(len(data) - kept))


def delete(file: Path, rng: random.Random) -> None:
    file.unlink()


def swap(file: Path, rng: random.Random) -> None:
    shutil.copy(file.parents[1] / "000020" / file.name, file)


def replace_by_folder(file: Path, rng: random.Random) -> None:
    file.unlink()
    file.mkdir()


def link_to_older(file: Path, rng: random.Random) -> None:
    file.unlink()
    file.symlink_to(file.parents[1] / "000020" / file.name)


def swap_folders(file: Path, rng: random.Random) -> None:
    newest, older = file.parent, file.parents[1] / "000020"
    newest.rename(newest.with_name("x"))
    older.rename(newest)
    newest.with_name("x").rename(older)


def add_file(file: Path, rng: random.Random) -> None:
    save_file({"c": torch.zeros(3)}, file.parent / "best.safetensors")


def drop_from_manifest(file: Path, rng: random.Random) -> None:
    path = file.parent / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"].pop(rng.choice(sorted(manifest["files"])))
    path.write_text(json.dumps(manifest))


def empty_folder(file: Path, rng: random.Random) -> None:
    shutil.rmtree(file.parent)
    file.parent.mkdir()


DAMAGES = [
    *(cut, flip, flip, flip, zero_tail, delete, swap, replace_by_folder, link_to_older),
    *(swap_folders, add_file, drop_from_manifest, empty_folder),
]
FILES = ["trained.safetensors", "optimizer.safetensors", "values.json", "manifest.json"]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_checkpoint_gives_way_to_an_older_one(three: Path, damage: Damage) -> None:
    """Over a hundred mutations of the newest of three; what is used is what was written."""
    for number in range(8):
        folder = shutil.copytree(three, three / f"copy{number}", ignore=_copies)
        before = {path: path.read_bytes() for path in (folder / "000030").iterdir()}
        damage(folder / "000030" / FILES[number % 4], random.Random(number))
        after = {p: p.read_bytes() for p in (folder / "000030").iterdir() if p.is_file()}
        step, lines = settle(folder)
        assert step is not None and is_whole(folder, step)
        if before == after and damage is not link_to_older:
            continue
        assert step < 30 or _same_meaning(before, after), (damage.__name__, number)
        if step < 30:
            assert "damaged checkpoint" in lines[0] and "moved to" in lines[0]
            assert (folder / QUARANTINE / "000030").exists() and settle(folder) == (step, [])


def _copies(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("copy")]


def _same_meaning(before: dict[Path, bytes], after: dict[Path, bytes]) -> bool:
    """A flipped bit in the manifest's white space changes nothing that anybody reads."""
    changed = {path.name for path in before if before[path] != after[path]}
    (manifest,) = [path for path in before if path.name == "manifest.json"]
    return changed == {"manifest.json"} and json.loads(before[manifest]) == json.loads(
        after[manifest]
    )


def test_with_no_good_checkpoint_nothing_starts_over(three: Path) -> None:
    for step in STEPS:
        (three / f"{step:06d}" / "values.json").write_text("{}")
    with pytest.raises(DataError, match="no good checkpoint is left"):
        settle(three)
    with pytest.raises(DataError, match="no good checkpoint is left"):
        settle(three)
    shutil.rmtree(three / QUARANTINE)
    assert settle(three) == (None, [])


def test_two_damaged_checkpoints_of_one_step_are_both_kept(three: Path) -> None:
    for _ in range(2):
        save_checkpoint(three, checkpoint(40), keep=9)
        (three / "000040" / "values.json").unlink()
        assert settle(three)[0] == 30
    assert {p.name for p in (three / QUARANTINE).iterdir()} == {"000040", "000040-1"}


def test_half_written_folders_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / ".tmp-000004-1").mkdir()
    (tmp_path / ".del-000002-1").mkdir()
    (tmp_path / "000007x").mkdir()
    assert settle(tmp_path) == (None, [])
    assert [path.name for path in tmp_path.iterdir()] == ["000007x"]
    assert settle(tmp_path / "absent") == (None, [])


def test_what_changes_while_it_is_read_is_not_used(three: Path) -> None:
    assert settle(three)[0] == 30
    flip(three / "000030" / "trained.safetensors", random.Random(0))
    with pytest.raises(DataError, match="changed while it was read"):
        read_checkpoint(three, 30)


def test_a_full_disk_leaves_the_older_checkpoint_and_nothing_half_written(
    small_disk: Callable[[str], Path],
) -> None:
    disk = small_disk("64k")
    save_checkpoint(disk, checkpoint(1), keep=2)
    for size in range(0, 64_000, 3000):
        filler = disk / "filler"
        filler.write_bytes(b"")
        free = shutil.disk_usage(disk).free
        filler.write_bytes(bytes(max(0, free - size)))
        try:
            save_checkpoint(disk, checkpoint(2), keep=2)
            break
        except DiskError as error:
            assert "needs" in str(error) or "cannot be written" in str(error)
        assert sorted(p.name for p in disk.iterdir()) == ["000001", "filler"]
        assert settle(disk) == (1, []) and is_whole(disk, 1)
    assert size > 0 and is_whole(disk, 2)


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

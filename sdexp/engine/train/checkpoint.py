"""Checkpoints: everything that is needed to resume, whole and verified, or absent.

A checkpoint is a folder of safetensors and JSON with a manifest of sizes and sha256 sums. It is
written under a temporary name, synced, renamed and verified; only then are old ones removed. One
that does not verify is moved to `quarantine/` and the next older one is used.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor

from sdexp.ground.errors import DataError, DiskError
from sdexp.ground.files import (
    HALF_WRITTEN,
    check_room,
    disk_faults,
    file_sha256,
    remove_leftovers,
    sync_folder,
    write_text,
)
from sdexp.ground.run import saved_steps
from sdexp.ground.tensors import write_tensors

MANIFEST = "manifest.json"
VALUES = "values.json"
QUARANTINE = "quarantine"


@dataclass
class Checkpoint:
    """The state after `step` optimizer steps.

    tensors: by group ("trained", "optimizer", "ema", "best") and name; values: plain JSON.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    values: dict[str, Any]

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for group in self.tensors.values() for t in group.values())


class Damaged(Exception):
    """A checkpoint is not as it was written; the text says what is wrong."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write `<folder>/<step>` and remove all but the newest `keep` checkpoints.

    Raises `DiskError` when the disk refuses or does not give back what was written; the older
    checkpoints then stay, and nothing half-written does.
    """
    target = folder / f"{checkpoint.step:06d}"
    temporary = folder / f"{HALF_WRITTEN}{target.name}-{os.getpid()}"
    try:
        with disk_faults(target):
            temporary.mkdir(parents=True)
            check_room(temporary, checkpoint.nbytes)
            _write(temporary, checkpoint)
            temporary.rename(target)
            sync_folder(folder)
    except DiskError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    try:
        verify(target, checkpoint.step)
    except Damaged as fault:
        raise DiskError(f"{target}: does not read back as written ({fault})") from fault
    with disk_faults(folder):
        for old in saved_steps(folder)[:-keep]:
            _remove(folder / f"{old:06d}")


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    for group, tensors in checkpoint.tensors.items():
        write_tensors(folder / f"{group}.safetensors", tensors)
    write_text(folder / VALUES, json.dumps(checkpoint.values, sort_keys=True))
    files = {
        file.name: {"size": file.stat().st_size, "sha256": file_sha256(file)}
        for file in sorted(folder.iterdir())
    }
    manifest = {"step": checkpoint.step, "files": files}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2))
    sync_folder(folder)


def _remove(path: Path) -> None:
    """Under a name that nobody takes for a checkpoint, so that a kill leaves no half of one."""
    doomed = path.with_name(f".del-{path.name}-{os.getpid()}")
    path.rename(doomed)
    shutil.rmtree(doomed)


def settle(folder: Path) -> tuple[int | None, list[str]]:
    """Leave only good checkpoints: the newest one's step, and a line for each that was damaged.

    Removes what killed commands left half-written or half-removed. Raises `DataError` when
    checkpoints were made but none is good, instead of starting over.
    """
    remove_leftovers(folder)
    for leftover in folder.glob(".del-*"):
        shutil.rmtree(leftover)
    lines: list[str] = []
    for step in reversed(saved_steps(folder)):
        path = folder / f"{step:06d}"
        try:
            verify(path, step)
            return step, lines
        except Damaged as fault:
            lines.append(f"{path}: damaged checkpoint ({fault}); moved to {_quarantine(path)}")
    quarantine = folder / QUARANTINE
    if quarantine.exists():
        told = "".join(f"{line}\n" for line in lines)
        raise DataError(
            f"{told}{folder}: no good checkpoint is left; remove {quarantine} to start from step "
            "0, or name a new folder"
        )
    return None, lines


def check_whole(folder: Path) -> None:
    """Raise `DataError` when checkpoints were made but none is good; changes nothing."""
    steps = saved_steps(folder)
    if steps and not any(_is_whole(folder / f"{step:06d}", step) for step in reversed(steps)):
        raise DataError(
            f"{folder}: no good checkpoint is left; put one back, or remove the folder to train "
            "from step 0"
        )


def _is_whole(path: Path, step: int) -> bool:
    try:
        verify(path, step)
    except Damaged:
        return False
    return True


def _quarantine(path: Path) -> Path:
    taken = len(list((path.parent / QUARANTINE).glob(f"{path.name}*")))
    target = path.parent / QUARANTINE / (f"{path.name}-{taken}" if taken else path.name)
    with disk_faults(target):
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    return target


def verify(path: Path, step: int) -> None:
    """Raise `Damaged` unless the folder holds exactly what its manifest names, of that step."""
    for file, expected in _manifest(path, step).items():
        _check_sum(file, _read_or_damaged(file, file_sha256), expected)


def read_checkpoint(folder: Path, step: int) -> Checkpoint:
    """The checkpoint of a step; what is used is what was verified, not a second reading of it."""
    path = folder / f"{step:06d}"
    tensors: dict[str, dict[str, Tensor]] = {}
    values: dict[str, Any] = {}
    try:
        for file, expected in _manifest(path, step).items():
            data = _read_or_damaged(file, Path.read_bytes)
            _check_sum(file, hashlib.sha256(data).hexdigest(), expected)
            if file.name == VALUES:
                values = json.loads(data)
            else:
                tensors[file.stem] = load(data)
    except Damaged as fault:
        raise DataError(f"{path}: changed while it was read ({fault}); start again") from fault
    return Checkpoint(step, tensors, values)


def _manifest(path: Path, step: int) -> dict[Path, str]:
    """sha256 of each file that a checkpoint must have; all of them are there in their size."""
    if path.is_symlink() or not path.is_dir():
        raise Damaged("not a folder")
    try:
        manifest = json.loads(_read_or_damaged(path / MANIFEST, Path.read_bytes))
        own_step = manifest["step"]
        sizes = {path / name: facts["size"] for name, facts in manifest["files"].items()}
        sums = {path / name: facts["sha256"] for name, facts in manifest["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{MANIFEST} is no manifest") from error
    if own_step != step:
        raise Damaged(f"{MANIFEST} is that of step {own_step}")
    if different := (set(path.iterdir()) - {path / MANIFEST}) ^ sums.keys():
        raise Damaged(f"{min(different).name} is missing or does not belong there")
    for file, size in sizes.items():
        if file.is_symlink() or not file.is_file() or file.stat().st_size != size:
            raise Damaged(f"{file.name} is no file of {size} bytes")
    return sums


def _check_sum(file: Path, found: str, expected: str) -> None:
    if found != expected:
        raise Damaged(f"{file.name} has other bytes than were written")


def _read_or_damaged(file: Path, read: Any) -> Any:
    try:
        return read(file)
    except OSError as error:
        raise Damaged(f"{file.name} cannot be read ({error.strerror})") from error


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's state as tensors by "<parameter>.<name>", and its plain numbers."""
    tensors = {}
    numbers = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                numbers[f"{index}.{name}"] = value
    return tensors, numbers


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], numbers: dict[str, Any]
) -> None:
    """Put flattened state back; hyper-parameters stay those of the configuration.

    A value of a parameter's shape also gets its memory layout: fused kernels walk over both as
    they lie.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in (tensors | numbers).items():
        index, _, name = key.partition(".")
        owner = parameters[int(index)]
        if isinstance(value, Tensor) and value.shape == owner.shape:
            value = torch.empty_like(owner, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})

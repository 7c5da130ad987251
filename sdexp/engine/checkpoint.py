"""Checkpoints: everything that is needed to resume, whole and verified, or absent.

A checkpoint is a folder of safetensors and JSON with a manifest of sha256 sums. It is written
under a temporary name, synced, renamed and verified; only then are old ones removed.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from sdexp.ground.run import disk_faults, write_text
from sdexp.ground.tensors import write_tensors

MANIFEST = "manifest.json"


@dataclass
class Checkpoint:
    """The state after `step` optimizer steps.

    tensors: by group ("trained", "optimizer", "ema", "best") and name; values: plain JSON.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    values: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write `<folder>/<step>` and remove all but the newest `keep` checkpoints."""
    target = folder / f"{checkpoint.step:06d}"
    temporary = folder / f".tmp-{target.name}-{os.getpid()}"
    with disk_faults(target):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for group, tensors in checkpoint.tensors.items():
            write_tensors(temporary / f"{group}.safetensors", tensors)
        write_text(temporary / "values.json", json.dumps(checkpoint.values, sort_keys=True))
        sums = {file.name: _sha256(file) for file in sorted(temporary.iterdir())}
        write_text(temporary / MANIFEST, json.dumps(sums, indent=2))
        _sync(temporary)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        _sync(folder)
    assert verify(target), f"{target} does not read back as written"
    for old in saved_steps(folder)[:-keep]:
        shutil.rmtree(folder / f"{old:06d}")


def clear_unfinished(folder: Path) -> None:
    """Remove what killed commands left half-written."""
    for path in folder.glob(".tmp-*"):
        shutil.rmtree(path)


def saved_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def verify(path: Path) -> bool:
    """True when the manifest and every file that it names are as they were written."""
    try:
        sums = json.loads((path / MANIFEST).read_text())
        return all(_sha256(path / name) == total for name, total in sums.items())
    except (OSError, ValueError):
        return False


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[Path]]:
    """The newest checkpoint that verifies, and the newer ones that do not."""
    damaged: list[Path] = []
    for step in reversed(saved_steps(folder)):
        path = folder / f"{step:06d}"
        if verify(path):
            return _read(path, step), damaged
        damaged.append(path)
    return None, damaged


def _read(path: Path, step: int) -> Checkpoint:
    tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
    return Checkpoint(step, tensors, json.loads((path / "values.json").read_text()))


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's state as tensors by "<parameter>.<name>", and its plain numbers."""
    tensors, numbers = {}, {}
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


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

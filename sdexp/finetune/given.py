"""Weights that were trained elsewhere, in whatever form they come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sdexp.finetune.adapters import restore_adapters
from sdexp.finetune.base import AbstractFinetune, Restored, exchange_tensors, own_names
from sdexp.finetune.formats import DIFFUSERS_FILE, PEFT_FILE
from sdexp.finetune.layouts import likely_reason, split_key
from sdexp.ground.applied import together
from sdexp.ground.errors import ConfigError, DataError
from sdexp.ground.files import named_path
from sdexp.ground.tensors import read_tensors
from sdexp.model.base import Component, LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    Tensors = dict[str, Tensor]

KEY = "finetune.path"
# Of a folder: adapters of diffusers, those of PEFT.
ADAPTERS = (DIFFUSERS_FILE, PEFT_FILE)
SHARD = re.compile(r"-\d{5}-of-\d{5}$")


@dataclass(frozen=True)
class Given(AbstractFinetune):
    """Not trained here: `path` is a folder or a safetensors file, of a run, a pipeline, networks,
    one network, adapters in any layout, or a whole checkpoint in the original layout.
    """

    trains: ClassVar[bool] = False

    path: str

    def source(self, folder: Path) -> str:
        return self.path

    def check(self) -> None:
        path = named_path(KEY, self.path)
        if not path.exists():
            raise DataError(f"{KEY}={self.path}: no such file or folder")
        if path.is_file() and path.suffix != ".safetensors":
            raise DataError(f"{KEY}={self.path}: no .safetensors file; convert it")

    def given_files(self) -> list[Path]:
        path = Path(self.path)
        return [path] if path.is_file() else sorted(_weights_in(path).rglob("*.safetensors"))

    def attach(self, model: LoadedModel) -> dict[str, nn.Parameter]:
        raise ConfigError("finetune=given: weights that are given are evaluated, not trained")

    def save(self, model: LoadedModel, folder: Path) -> None:
        raise ConfigError("finetune=given: weights that are given are evaluated, not trained")

    def restore(self, model: LoadedModel, folder: Path) -> Restored:
        """`folder` is not looked at."""
        path = Path(self.path)
        if path.is_file():
            return _of_file(model, path)
        return _of_folder(model, _weights_in(path))


def _weights_in(path: Path) -> Path:
    """Of a run the folder of its weights."""
    inner = path / "weights"
    return inner if inner.is_dir() else path


def _of_file(model: LoadedModel, file: Path) -> Restored:
    tensors = read_tensors(file)
    try:
        networks = model.original_tensors(tensors)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    if networks:
        return exchange_tensors(model, networks, str(file))
    if any(split_key(name) for name in tensors):
        return restore_adapters(model, file, None)
    return exchange_tensors(model, _whose(model, file, tensors), str(file))


def _of_folder(model: LoadedModel, folder: Path) -> Restored:
    for name in ADAPTERS:
        if (folder / name).is_file():
            return restore_adapters(model, folder / name, None)
    inner = {
        name: folder / component.file.parent / PEFT_FILE
        for name, component in model.components().items()
        if (folder / component.file.parent / PEFT_FILE).is_file()
    }
    if inner:
        parts = [(n, restore_adapters(model, file, None, n).applied) for n, file in inner.items()]
        return Restored(together(parts), model.unload_adapters, has_strength=True)
    networks = {
        name: _read_network(component, folder / component.file.parent)
        for name, component in model.components().items()
        if (folder / component.file.parent).is_dir()
    }
    files = sorted(folder.glob("*.safetensors"))
    if not networks and len(files) == 1:
        return _of_file(model, files[0])
    if not networks and files:
        networks = _whose(model, folder, _read_files(folder))
    if not networks:
        raise DataError(
            f"{folder}: neither networks ({', '.join(model.components())}) nor adapters "
            f"({', '.join(ADAPTERS)}); name the folder that holds them"
        )
    return exchange_tensors(model, networks, str(folder))


def _read_network(component: Component, folder: Path) -> Tensors:
    return own_names(component, _read_files(folder))


def _read_files(folder: Path) -> Tensors:
    """The tensors of a network's folder: of one file, or of all shards of one."""
    files = sorted(folder.glob("*.safetensors"))
    shards = [file for file in files if SHARD.search(file.stem)]
    if not files:
        raise DataError(f"{folder}: no .safetensors file; convert what lies there")
    if len(files) > 1 and len(shards) < len(files):
        # Variants such as fp16 lie beside the plain file, whose name is the shortest.
        files = [min(files, key=lambda file: len(file.name))]
    return {name: t for file in files for name, t in read_tensors(file).items()}


def _whose(model: LoadedModel, place: Path, tensors: Tensors) -> dict[str, Tensors]:
    """Tensors by the network that knows most of their names, under those in memory."""
    known = {
        name: len(own_names(component, tensors).keys() & component.module.state_dict().keys())
        for name, component in model.components().items()
    }
    name = max(known, key=lambda one: known[one])
    if not known[name]:
        first = next(iter(tensors), "none")
        raise DataError(
            f"{place}: none of {len(tensors)} tensors belongs to {', '.join(known)} (first: "
            f"{first}); {likely_reason(tensors, model)}"
        )
    return {name: own_names(model.components()[name], tensors)}

"""Trainings of a handful of steps, and what they left."""

from typing import Any

import torch
from safetensors.torch import load_file

from sdexp.engine.train.trainer import Trainer
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from tests.records import logged
from tests.training import trainer_of


def trainer(run: RunFolder, recipes: Any, store: Store, *overrides: str) -> Trainer:
    run.path.mkdir(exist_ok=True)
    return trainer_of(run, recipes(*overrides), store)


def losses(run: RunFolder, split: str = "train", name: str = "loss") -> dict[int, float]:
    rows = [row for row in logged(run.log) if row["split"] == split and row["name"] == name]
    assert len({row["step"] for row in rows}) == len(rows), "a step is logged twice"
    return {row["step"]: row["value"] for row in rows}


def tensors_of(run: RunFolder) -> list[torch.Tensor]:
    return list(load_file(next(run.weights.rglob("*.safetensors"))).values())

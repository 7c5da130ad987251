"""Weights of an earlier step, from a checkpoint."""

from pathlib import Path

import torch

from sdexp.engine.originals import check_original
from sdexp.engine.train.checkpoint import read_checkpoint
from sdexp.engine.train.setup import attach
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import HALF_WRITTEN
from sdexp.ground.run import RunFolder, saved_steps
from sdexp.recipes import Recipes


def write_weights_of(run: RunFolder, recipes: Recipes, step: int) -> Path:
    """Write what would have been served at a step, unless it is there; returns the folder.

    Raises `ConfigError` for a step without a checkpoint, and `DataError` for a damaged one.
    """
    folder = run.weights_at(step)
    if folder.is_dir():
        return folder
    steps = saved_steps(run.checkpoints)
    if step not in steps:
        told = ", ".join(f"{one:06d}" for one in steps) or "none"
        raise ConfigError(f"checkpoint={step:06d}: there is no such one; there are {told}")
    model = recipes.model.load("cpu")
    check_original(run, model.fingerprints())
    trained = attach(recipes, model)
    checkpoint = read_checkpoint(run.checkpoints, step)
    # Before its first update the average is not served.
    served = checkpoint.tensors["ema" if checkpoint.values["ema_step"] else "trained"]
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(served[name])
    half = folder.with_name(f"{HALF_WRITTEN}{folder.name}")
    recipes.finetune.save(model, half)
    half.rename(folder)
    return folder

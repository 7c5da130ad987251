"""Trainings in the process of a test."""

from sdexp.engine.train.setup import set_up
from sdexp.engine.train.trainer import Trainer
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.recipes import Recipes


def trainer_of(run: RunFolder, recipes: Recipes, store: Store) -> Trainer:
    """A training that has not begun."""
    return Trainer(run, set_up(run, recipes, store))

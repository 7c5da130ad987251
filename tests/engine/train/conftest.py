"""Runs so small that a step takes milliseconds."""

from typing import Any

import pytest

from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from tests.engine.train.runs import trainer


@pytest.fixture
def tiny_recipes(recipes: Any, tiny: str) -> Any:
    """Recipes of a run so small that a step takes milliseconds."""
    return lambda *overrides: recipes(tiny, *overrides)


@pytest.fixture
def tiny_run(new_run: Any, tiny: str) -> Any:
    return lambda name, *overrides: new_run(name, tiny, *overrides)


@pytest.fixture
def train(tiny_run: Any, tiny_recipes: Any, store: Store) -> Any:
    """Train in this process; returns the run folder."""

    def work(name: str, *overrides: str) -> RunFolder:
        run = tiny_run(name, *overrides)
        trainer(run, tiny_recipes, store, *overrides).train()
        return run

    return work

from typing import Any

import pytest

from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from tests.training import trainer_of


@pytest.fixture
def trained(new_run: Any, recipes: Any, store: Store) -> RunFolder:
    run = new_run("run")
    overrides = ("optimizer.lr=0.01", "training.validation_images_steps=null")
    trainer_of(run, recipes(*overrides), store).train()
    return run

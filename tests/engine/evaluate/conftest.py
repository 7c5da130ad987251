from typing import Any

import pytest

from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from tests.training import trainer_of


@pytest.fixture
def trained(new_run: Any, recipes: Any, store: Store) -> RunFolder:
    run = new_run("run")
    trainer_of(
        run, recipes("optimizer.lr=0.01", "training.validation_images_steps=null"), store, {}
    ).train()
    return run

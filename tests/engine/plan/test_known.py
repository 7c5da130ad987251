"""What the store is said to hold, compared with what it then holds."""

from typing import Any

import numpy as np
import pytest

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.engine.plan.known import LOOKED_AT, _spread
from sdexp.ground.store import Store
from sdexp.ground.store_keeping import entries
from tests.engine.plan.sizes import folder_bytes, within
from tests.training import trainer_of


@pytest.mark.slow
def test_the_store_holds_afterwards_what_was_said(
    planned: Any, new_run: Any, recipes: Any, store: Store
) -> None:
    before = planned()
    assert [one["found"] for one in before["store"].values()] == [0, 0, 0]
    run, built = new_run("run"), recipes()
    trainer_of(run, built, store).train()
    evaluate(Evaluation(run, run, built, store))
    gained = sum(entry.size for entry in entries(store))
    assert before["disk"]["store"] == within(0.02, gained)
    images = folder_bytes(run.path / "images")
    assert images < before["disk"]["pictures"] < 5 * images
    after = planned()
    assert [one["found"] for one in after["store"].values()] == [16, 4, 3]
    assert [one["total"] for one in after["store"].values()] == [16, 4, 3]
    assert after["disk"]["store"] == 0


@pytest.mark.parametrize(
    "overrides, views",
    [(["training.random_flip=true"], 2), (["training.center_crop=false"], 3)],
)
def test_pictures_seen_in_several_ways_need_more_room(
    planned: Any, new_run: Any, recipes: Any, store: Store, overrides: list[str], views: int
) -> None:
    overrides = [*overrides, "dataset.num_train=8", "training.max_train_steps=6"]
    said = planned(*overrides)["store"]["training pictures"]
    run = new_run("run", *overrides)
    trainer_of(run, recipes(*overrides), store).train()
    moments = [entry.size for entry in entries(store) if entry.kind == "moments"]
    assert said["gain"] == within(0.02, 8 * views * moments[0])
    assert sum(moments) - 4 * moments[0] <= said["gain"] * 1.02


def test_a_large_data_set_is_sampled_evenly() -> None:
    assert _spread(list(range(100))) == list(range(100)) and _spread([]) == []
    chosen = _spread(list(range(10, 100_010)))
    assert len(chosen) == LOOKED_AT and len(set(chosen)) == LOOKED_AT
    assert np.diff(chosen).min() >= 195 and np.diff(chosen).max() <= 196

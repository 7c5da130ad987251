from dataclasses import replace
from typing import Any

import pytest

from sdexp.dataset.pocket import Pocket
from sdexp.engine.train.timetable import Timetable, timetable_of


def table(recipes: Any, *overrides: str) -> Timetable:
    data = Pocket(num_train=40, num_val=1, num_test=2).open("train")
    return timetable_of(recipes(*overrides), data, 1, 64)


@pytest.mark.parametrize("steps, every, times", [(4, 2, 3), (5, 2, 4), (3, 9, 2), (4, None, 0)])
def test_what_is_due_is_counted(recipes: Any, steps: int, every: int | None, times: int) -> None:
    value = "null" if every is None else str(every)
    made = table(recipes, f"training.max_train_steps={steps}", f"training.validation_steps={value}",
                 f"training.validation_images_steps={value}")  # fmt: skip
    assert made.total == steps
    assert sum(map(made.validates, range(steps + 1))) == made.validations == times
    assert sum(map(made.shows, range(steps + 1))) == made.shown == times


@pytest.mark.parametrize("every, times", [(2, 3), (5, 1), (None, 1), (1, 5)])
def test_checkpoints_are_counted(recipes: Any, every: int | None, times: int) -> None:
    value = "null" if every is None else str(every)
    made = table(recipes, "training.max_train_steps=5", f"training.checkpointing_steps={value}")
    assert sum(map(made.saves, range(1, 6))) == made.checkpoints == times


def test_epochs_are_passes_over_the_data(recipes: Any) -> None:
    made = table(recipes, "training.max_train_steps=null", "training.num_train_epochs=3",
                 "training.train_batch_size=8")  # fmt: skip
    assert made.total == 15 and made.epochs == 3
    assert [step for step in range(1, 16) if made.ends_epoch(step)] == [5, 10, 15]
    assert sorted(made.first_epoch()) == list(range(40))
    wider = replace(made, order=replace(made.order, processes=2))
    assert wider.total == 9 and wider.epochs == 3


def test_resolution_is_the_models_own_unless_set(recipes: Any) -> None:
    assert table(recipes).resolution == 64
    assert table(recipes, "training.resolution=32").resolution == 32

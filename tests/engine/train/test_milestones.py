"""Weights of a checkpoint are those of a run that ended there."""

from typing import Any

import pytest

from sdexp.engine.train.milestones import write_weights_of
from sdexp.ground.errors import ConfigError
from tests.commands import digest


@pytest.mark.parametrize("strategy", ["lora", "unet"])
@pytest.mark.parametrize("ema", ["true", "false"])
def test_weights_of_a_step_are_those_of_a_run_of_that_length(
    strategy: str, ema: str, train: Any, tiny_recipes: Any
) -> None:
    words = [
        f"finetune={strategy}", f"training.use_ema={ema}", "scheduler=constant",
        "training.checkpointing_steps=1", "training.checkpoints_total_limit=4",
    ]  # fmt: skip
    long = train("long", *words, "training.max_train_steps=4")
    short = train("short", *words, "training.max_train_steps=3")
    recipes = tiny_recipes(*words)
    folder = write_weights_of(long, recipes, 3)
    assert digest(folder) == digest(short.weights) != digest(long.weights)
    assert digest(write_weights_of(long, recipes, 4)) == digest(long.weights)
    assert write_weights_of(long, recipes, 3) == folder


def test_before_its_first_update_the_average_is_not_served(train: Any, tiny_recipes: Any) -> None:
    words = ["finetune=unet", "scheduler=constant", "training.checkpointing_steps=1"]
    words += ["training.checkpoints_total_limit=4"]
    late = [*words, "training.use_ema=true", "training.ema_update_interval=3"]
    run = train("late", *late, "training.max_train_steps=4")
    raw = train("raw", *words, "training.max_train_steps=2")
    assert digest(write_weights_of(run, tiny_recipes(*late), 2)) == digest(raw.weights)


def test_a_step_without_a_checkpoint_is_told(train: Any, tiny_recipes: Any) -> None:
    run = train("run")
    with pytest.raises(ConfigError, match="checkpoint=000003: there is no such one; there are"):
        write_weights_of(run, tiny_recipes(), 3)
    assert not run.weights_at(3).parent.exists()

import json
from typing import Any

import pytest

from tests.engine.train.runs import losses


def test_validation_loss_is_on_fixed_noise(train: Any) -> None:
    run = train("val", "optimizer.lr=1e-12")
    values = losses(run, "validation")
    assert sorted(values) == [0, 2, 4]
    assert values[4] == pytest.approx(values[0], rel=1e-4)


def test_validation_pictures_start_with_step_0(train: Any) -> None:
    run = train("pictures")
    assert sorted(path.name for path in run.validation.iterdir() if path.is_dir()) == [
        "000000",
        "000004",
    ]
    assert len(json.loads((run.validation / "prompts.json").read_text())) == 2


def test_prompts_of_ones_own_are_shown(train: Any) -> None:
    own = ["a big red heart", "a blue star, on stripes", "x=y"]
    run = train("own", f"training.validation_prompts={json.dumps(own)}")
    assert json.loads((run.validation / "prompts.json").read_text()) == own
    assert len(list((run.validation / "000004").iterdir())) == 3

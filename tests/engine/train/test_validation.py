import json
from typing import Any

import numpy as np
import pytest

from sdexp.ground.errors import DivergedError
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from tests.engine.train.runs import losses


def test_validation_loss_is_on_fixed_noise(train: Any) -> None:
    run = train("val", "optimizer.lr=1e-12")
    values = losses(run, "validation")
    assert sorted(values) == [0, 2, 4]
    assert values[4] == pytest.approx(values[0], rel=1e-4)


def test_a_picture_that_is_no_number_is_told_and_costs_nothing_else(
    train: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> np.ndarray:
        raise DivergedError("a picture holds values that are no finite numbers")

    monkeypatch.setattr(LoadedLatentDiffusion, "generate", broken)
    run = train("overflown")
    assert run.weights.is_dir() and not list(run.validation.glob("*/*.png"))
    assert "warning: step 0: no pictures, because a picture holds" in capfd.readouterr().out


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

"""Plans: what is measured, and what follows from it."""

from typing import Any

import pytest


def test_a_step_and_a_picture_are_measured(planned: Any, capfd: Any) -> None:
    overrides = ("training.max_train_steps=100", "training.validation_images_steps=null")
    measured = planned(*overrides, "training.validation_steps=null", measure=True)["measured"]
    assert 0 < measured["step"] < 60 and 0 < measured["picture"] < 60
    assert measured["peak"] > 1e8
    assert measured["training_seconds"] == pytest.approx(100 * measured["step"])
    assert measured["evaluation_seconds"] == pytest.approx(16 * measured["picture"])
    told = capfd.readouterr().out
    assert "measured on cpu: " in told and "on this machine" in told

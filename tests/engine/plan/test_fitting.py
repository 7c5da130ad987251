"""A machine whose memory holds three samples at once."""

from typing import Any

import pytest
import torch

from sdexp.engine.plan.fitting import measure_what_fits
from sdexp.engine.plan.plan import make_plan
from sdexp.engine.train.losses import LossOfItems
from sdexp.ground.batches import equal_batches
from sdexp.ground.store import Store


@pytest.fixture
def plan(new_run: Any, recipes: Any, store: Store, tmp_path: Any) -> Any:
    def make(*overrides: str) -> Any:
        run = new_run("plan", *overrides)
        return make_plan(run, tmp_path / "place", recipes(*overrides), store)

    return make


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of micro-batches that were asked for; more than three samples are refused."""
    asked: list[int] = []
    compute = LossOfItems.__call__

    def limited(self: LossOfItems, items: Any, purpose: str = "train") -> torch.Tensor:
        asked.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(self, items, purpose)

    monkeypatch.setattr(LossOfItems, "__call__", limited)
    return asked


BATCH = ("training.train_batch_size=6", "training.gradient_accumulation_steps=2")


def test_the_largest_batch_that_fits_is_found(
    plan: Any, little_memory: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    fitting, measured = measure_what_fits(plan(*BATCH), equal_batches(6, 2))
    order = fitting.timetable.order
    assert (order.batch_size, order.accumulation, order.samples_per_step) == (3, 4, 12)
    assert little_memory[:2] == [6, 4] and little_memory[2:] == [3] * 8, "two steps"
    assert measured.step > 0
    told = capfd.readouterr().out
    for size, accumulation in ((6, 2), (4, 3)):
        line = f"train_batch_size={size} training.gradient_accumulation_steps={accumulation}"
        assert f"does not fit into memory: training.{line}" in told
    assert "fits, and trains the same: training.train_batch_size=3 " in told


def test_what_fits_is_left_as_it_is(
    plan: Any, little_memory: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    fitting, _ = measure_what_fits(plan("training.train_batch_size=3"), [(1, 3)])
    assert fitting.timetable.order.batch_size == 3
    assert "fit" not in capfd.readouterr().out


def test_nothing_fits(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(LossOfItems, "__call__", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        measure_what_fits(plan("training.train_batch_size=2"), [(1, 2)])


def test_other_faults_are_no_lack_of_memory(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(LossOfItems, "__call__", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        measure_what_fits(plan("training.train_batch_size=2"), [(1, 2)])

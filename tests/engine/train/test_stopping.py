from sdexp.engine.train.stopping import Stopper
from sdexp.ground.config import EarlyStopping


def steps_until_stop(values: list[float], patience: int | None, min_delta: float = 0.0) -> Stopper:
    stopper = Stopper(EarlyStopping("train/loss", patience, min_delta))
    for step, value in enumerate(values, start=1):
        stopper.check(value, step)
        if stopper.stopped:
            break
    return stopper


def test_published_losses_stop_after_the_fifth_epoch_with_the_third_as_best() -> None:
    losses = [0.281024, 0.246042, 0.188476, 0.193370, 0.234546, 0.1]
    stopper = steps_until_stop(losses, patience=2)
    assert stopper.stopped and stopper.best_step == 3 and stopper.best == 0.188476


def test_equal_values_are_no_progress() -> None:
    assert steps_until_stop([1.0, 1.0, 1.0], patience=2).best_step == 1


def test_a_fall_within_min_delta_is_no_progress() -> None:
    assert steps_until_stop([1.0, 0.95, 0.93], patience=2, min_delta=0.1).stopped
    assert steps_until_stop([1.0, 0.85, 0.7], patience=2, min_delta=0.1).best_step == 3


def test_null_patience_never_stops() -> None:
    assert not steps_until_stop([1.0, 2.0, 3.0, 4.0], patience=None).stopped


def test_values_round_trip() -> None:
    stopper = steps_until_stop([1.0, 2.0], patience=3)
    other = Stopper(stopper.config)
    other.restore(stopper.values())
    assert other == stopper

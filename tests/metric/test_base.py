import numpy as np
import pytest

from sdexp.metric.clip_score import ClipScore
from sdexp.metric.kid import Kid


@pytest.mark.parametrize("effect", [-0.1, float("nan"), float("inf")])
def test_the_smallest_effect_is_a_finite_number(effect: float) -> None:
    assert Kid("clip", {"clip": 0.0}).matters == 0
    with pytest.raises(ValueError, match=r"metric.smallest_effect.clip=.*: allowed is 0 or more"):
        Kid("clip", {"clip": effect})


def test_what_matters_is_said_by_backbone() -> None:
    effects = {"clip": 1.0, "inception": 0.5}
    assert Kid("inception", effects).matters == 0.5 and Kid("inception", effects).is_effect_known
    assert not Kid("mine", effects).is_effect_known


def test_a_metric_of_single_pictures_is_its_own_distance() -> None:
    metric = ClipScore("clip", {"clip": 0.5})
    made = np.arange(6.0).reshape(6, 1)
    distance = metric.against(np.empty((0, 1)))
    assert distance(made) == pytest.approx(2.5)

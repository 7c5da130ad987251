import numpy as np
import pytest

from sdexp.metric.neighbours import Coverage, Density, Precision, Recall
from sdexp.stats import neighbours


@pytest.mark.parametrize("kind", [Precision, Recall, Density, Coverage])
def test_a_metric_is_the_share_of_its_name(kind: type[Precision]) -> None:
    draws = np.random.default_rng(0)
    made, real = draws.normal(size=(20, 4)), draws.normal(size=(30, 4))
    share = getattr(neighbours, kind.__name__)
    metric = kind("clip", {"clip": 0.1}, 3)
    assert metric.statistic(made, real) == share(real, 3)(made)
    assert metric.higher_is_better and metric.least() == 4


def test_a_neighbourhood_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="metric.neighbours=0: allowed is 1 or more"):
        Precision("clip", {"clip": 0.1}, 0)

"""KID: embeddings joined with the kernel distance; its value is tested in tests/stats."""

import numpy as np
import pytest

from sdexp.metric.kid import Kid
from sdexp.stats.distribution import kernel_distance


def test_kid_is_a_thousand_times_the_kernel_distance(backbone: str, pictures: np.ndarray) -> None:
    metric = Kid(backbone)
    features = metric.start("cpu").features(pictures, [""] * 40, None)
    made, real = features[:15], features[15:]
    expected = pytest.approx(1000 * kernel_distance(made, real), rel=1e-12)
    assert metric.statistic(made, real) == metric.against(real)(made) == expected

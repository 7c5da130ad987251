"""KID: embeddings joined with the kernel distance; its value is tested in tests/stats."""

import pytest

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.metric.kid import Kid
from sdexp.stats.distances import kernel_distance


def test_kid_is_a_thousand_times_the_kernel_distance(
    source: Features, pictures: PictureSet
) -> None:
    metric = Kid("clip", {"clip": 1.0})
    features = metric.features(source, pictures, [""] * 40, None)
    made, real = features[:15], features[15:]
    expected = pytest.approx(1000 * kernel_distance(made, real), rel=1e-12)
    assert metric.statistic(made, real) == metric.against(real)(made) == expected

import numpy as np
import pytest

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.metric.similarity import Similarity

METRIC = Similarity("clip", {"clip": 1.0})


def test_it_is_the_cosine_of_features(source: Features, pictures: PictureSet) -> None:
    turned = pictures.at(range(39, -1, -1))
    values = METRIC.features(source, pictures, [], turned)
    seen = source.images(pictures)
    for k in (0, 17):
        a, b = seen[k], seen[39 - k]
        expected = 100 * a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        # The turned pictures went through the network in other batches.
        assert values[k, 0] == pytest.approx(expected, abs=1e-3)
    np.testing.assert_allclose(METRIC.features(source, pictures, [], pictures), 100.0)
    assert METRIC.statistic(values, values[:0]) == pytest.approx(values.mean())


def test_every_picture_needs_its_reference(source: Features, pictures: PictureSet) -> None:
    for wrong in (None, pictures.at(range(3))):
        with pytest.raises(ValueError, match="references for 40 pictures"):
            METRIC.features(source, pictures, [], wrong)

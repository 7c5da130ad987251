"""FD: embeddings joined with the Frechet distance; its value is tested in tests/stats."""

import numpy as np
import pytest

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.metric.fd import Fd
from sdexp.stats.distances import frechet_distance

METRIC = Fd("clip", {"clip": 1.0})


def test_fd_is_the_frechet_distance_of_embeddings(source: Features, pictures: PictureSet) -> None:
    features = METRIC.features(source, pictures, [""] * 40, None)
    made, real = features[:15], features[15:]
    expected = frechet_distance(made, real)
    assert features.shape == (40, 8)
    assert METRIC.statistic(made, real) == METRIC.against(real)(made) == expected
    assert METRIC.statistic(real, real) == pytest.approx(0, abs=1e-9 * np.sum(real**2))


def test_fd_grows_with_noise(source: Features, pixels: np.ndarray) -> None:
    ramp = np.linspace(0, 1, 48)[:, None, None]
    smooth = (pixels[:, :1, :1] * ramp).astype(np.uint8)
    features = []
    for noise in (0.0, 0.2, 0.5, 1.0):
        mixed = (smooth * (1 - noise) + pixels * noise).astype(np.uint8)
        features.append(METRIC.features(source, PictureSet.of(mixed, False), [], None))
    distances = [METRIC.statistic(part, features[0]) for part in features]
    assert distances == sorted(distances)

"""FID: embeddings joined with the Frechet distance; its value is tested in tests/stats."""

import numpy as np
import pytest

from sdexp.metric.fid import Fid
from sdexp.stats.distribution import frechet_distance


def test_fid_is_the_frechet_distance_of_embeddings(backbone: str, pictures: np.ndarray) -> None:
    metric = Fid(backbone)
    features = metric.start("cpu").features(pictures, [""] * 40, None)
    made, real = features[:15], features[15:]
    expected = frechet_distance(made, real)
    assert features.shape == (40, 8)
    assert metric.statistic(made, real) == metric.against(real)(made) == expected
    assert metric.statistic(real, real) == pytest.approx(0, abs=1e-9 * np.sum(real**2))


def test_fid_grows_with_noise(backbone: str, pictures: np.ndarray) -> None:
    metric = Fid(backbone)
    extractor = metric.start("cpu")
    ramp = np.linspace(0, 1, 48)[:, None, None]
    smooth = (pictures[:, :1, :1] * ramp).astype(np.uint8)
    features = [
        extractor.features((smooth * (1 - noise) + pictures * noise).astype(np.uint8), [], None)
        for noise in (0.0, 0.2, 0.5, 1.0)
    ]
    distances = [metric.statistic(part, features[0]) for part in features]
    assert distances == sorted(distances)

"""CMMD against a plain reference of the paper's formula."""

import numpy as np
import pytest

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.metric.cmmd import Cmmd


def naive(x: np.ndarray, y: np.ndarray) -> float:
    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        values = [
            np.exp(-np.sum((p - q) ** 2) / (2 * 10**2))
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (same and i == j)
        ]
        return float(np.mean(values))

    return 1000 * (mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False))


def test_cmmd_is_the_formula(source: Features, pictures: PictureSet) -> None:
    metric = Cmmd("clip", {"clip": 0.1})
    features = metric.features(source, pictures, [], None)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0)
    made, real = features[:15], features[15:]
    assert metric.statistic(made, real) == pytest.approx(naive(made, real), abs=1e-9)
    assert metric.against(real).without_each(made.reshape(15, 1, -1)) is not None


def test_cmmd_is_unbiased_in_small_samples() -> None:
    metric = Cmmd("clip", {"clip": 0.1})
    draws = np.random.default_rng(0).normal(size=(300, 2, 6, 4))
    unit = draws / np.linalg.norm(draws, axis=-1, keepdims=True)
    values = [metric.statistic(x, y) for x, y in unit]
    assert abs(np.mean(values)) < 3 * np.std(values) / 300**0.5 and min(values) < 0

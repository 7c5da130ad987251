import numpy as np
import pytest

from sdexp.stats.scores import inception_score


def test_the_inception_score_is_that_of_torch_fidelity() -> None:
    import torch
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = np.random.default_rng(0).normal(0, 3, size=(50, 20))
    expected = isc_features_to_metric(
        torch.from_numpy(logits), splits=1, shuffle=False, rng_seed=0
    )["inception_score_mean"]
    assert inception_score(logits) == pytest.approx(expected, rel=1e-6)


def test_the_inception_score_in_closed_form() -> None:
    sure = 1000.0 * np.eye(8)
    assert inception_score(sure) == pytest.approx(8.0)
    assert inception_score(np.zeros((5, 8))) == pytest.approx(1.0)
    assert inception_score(sure[[0, 0, 1, 1]]) == pytest.approx(2.0)

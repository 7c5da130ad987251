"""Shares by neighbours against torch-fidelity and the papers' formulas, by plain loops."""

import numpy as np
import pytest

from sdexp.stats.neighbours import (
    AbstractShare,
    Coverage,
    Density,
    Precision,
    Recall,
    distances,
    nth_nearest,
)
from tests.stats.clouds import cloud, models

SHARES = [Precision, Recall, Density, Coverage]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_and_recall_are_those_of_torch_fidelity(k: int) -> None:
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    made, real = cloud(60, 8, 1, shift=0.3), cloud(80, 8, 2)
    expected = prc_features_to_metric(
        torch.from_numpy(made), torch.from_numpy(real), prc_neighborhood=k, verbose=False
    )
    assert Precision(real, k)(made) == pytest.approx(expected["precision"], rel=1e-6)
    assert Recall(real, k)(made) == pytest.approx(expected["recall"], rel=1e-6)


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_are_the_formulas_of_the_paper(k: int) -> None:
    made, real = cloud(30, 4, 1, shift=0.3), cloud(40, 4, 2)
    reach = [sorted(np.linalg.norm(real - one, axis=1))[k] for one in real]
    inside = [[np.linalg.norm(x - y) < r for y, r in zip(real, reach, strict=True)] for x in made]
    assert Density(real, k)(made) == pytest.approx(np.sum(inside) / (k * 30))
    assert Coverage(real, k)(made) == pytest.approx(np.any(inside, axis=0).mean())


@pytest.mark.parametrize("kind", SHARES)
def test_swaps_are_shares_of_swapped_features(kind: type[AbstractShare]) -> None:
    features = np.stack(models(7, shift=0.4, replicates=2))
    share = kind(cloud(30, 6, 9), 3)
    swaps = np.random.default_rng(3).integers(2, size=(5, 7)).astype(bool)
    found = share.swapped(features, swaps)
    for row, labels in enumerate(swaps):
        chosen, prompts = labels.astype(int), np.arange(7)
        before, after = features[chosen, prompts], features[1 - chosen, prompts]
        expected = share(after.reshape(-1, 6)) - share(before.reshape(-1, 6))
        assert found[row] == pytest.approx(expected, abs=1e-12)


def test_collapse_lowers_diversity_and_keeps_fidelity() -> None:
    real = cloud(200, 6, 1)
    varied = cloud(200, 6, 2)
    collapsed = cloud(10, 6, 3)[np.arange(200) % 10]
    for diversity in (Recall(real, 3), Coverage(real, 5)):
        assert diversity(collapsed) < 0.5 * diversity(varied)
    for fidelity in (Precision(real, 3), Density(real, 5)):
        assert fidelity(collapsed) > 0.7 * fidelity(varied)


def test_noise_lowers_fidelity() -> None:
    real, varied = cloud(200, 6, 1), cloud(200, 6, 2)
    noise = np.random.default_rng(0).normal(0, 2, varied.shape)
    for fidelity in (Precision(real, 3), Density(real, 5)):
        assert fidelity(varied + noise) < 0.5 * fidelity(varied)


def test_distances_and_the_nearest() -> None:
    x, y = cloud(5, 3, 1), cloud(7, 3, 2)
    expected = np.array([[np.linalg.norm(a - b) for b in y] for a in x])
    np.testing.assert_allclose(distances(x, y), expected, rtol=1e-9)
    own = distances(x, x)
    assert not np.diagonal(own).any()
    assert nth_nearest(own, 2).tolist() == [sorted(row)[2] for row in own.tolist()]

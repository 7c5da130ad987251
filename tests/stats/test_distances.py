"""Distances against the reference packages, closed forms and plain loops."""

import numpy as np
import pytest

from sdexp.stats.distances import (
    AbstractDistance,
    FrechetDistance,
    KernelDistance,
    PlainDistance,
    cubic_kernel,
    frechet_distance,
    gaussian_kernel,
    kernel_distance,
)
from sdexp.stats.signs import swaps
from tests.stats.clouds import DISTANCES, Kind, cloud, models


@pytest.mark.parametrize("shape", [(8, 1, 6), (5, 3, 40), (2, 1, 3)])
@pytest.mark.parametrize("references", [4, 30])
def test_swaps_of_a_frechet_distance_are_those_of_plain_distances(
    shape: tuple[int, int, int], references: int
) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(3.0, 1.0, (2, *shape))
    distance = FrechetDistance(rng.normal(size=(references, shape[-1])))
    labels = swaps(shape[0], rng, 20)
    expected = AbstractDistance.swapped(distance, features, labels)
    np.testing.assert_allclose(distance.swapped(features, labels), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("n", "m", "width"),
    [(200, 300, 16), (20, 300, 64), (300, 20, 64), (20, 30, 64), (64, 65, 64), (2, 2, 8)],
)
def test_frechet_agrees_with_torch_fidelity_and_torchmetrics(n: int, m: int, width: int) -> None:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Identity(torch.nn.Module):
        num_features = width

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    x, y = cloud(n, width, 1, shift=0.2), cloud(m, width, 2)
    sets = [torch.from_numpy(array) for array in (x, y)]
    fidelity = fid_statistics_to_metric(*map(fid_features_to_statistics, sets), False)
    metric = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    metric.update(sets[0], real=False)
    metric.update(sets[1], real=True)

    own = frechet_distance(x, y)
    assert own == pytest.approx(fidelity["frechet_inception_distance"], rel=1e-6)
    assert own == pytest.approx(metric.compute().item(), rel=1e-6)


def test_frechet_of_gaussians_in_closed_form() -> None:
    x = cloud(100, 5, 1)
    shift, scales = np.arange(5.0), np.array([0.5, 1, 2, 3, 4])
    assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift)
    white = np.linalg.qr(x - x.mean(axis=0))[0]
    expected = np.sum((1 - scales) ** 2) / 99
    assert frechet_distance(white, white * scales) == pytest.approx(expected)


@pytest.mark.parametrize(("count", "width"), [(60, 20), (12, 40)])
def test_kernel_agrees_with_torchmetrics(count: int, width: int) -> None:
    import torch
    from torchmetrics.image.kid import poly_mmd

    x, y = cloud(count, width, 1, shift=0.2), cloud(count, width, 2)
    expected = poly_mmd(torch.from_numpy(y), torch.from_numpy(x)).item()
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_kernel_of_unequal_sizes_agrees_with_loops() -> None:
    x, y = cloud(5, 3, 1), cloud(7, 3, 2)

    def mean(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return float(np.mean([(a @ b / 3 + 1) ** 3 for a, b in pairs]))

    xx = mean([(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    yy = mean([(y[i], y[j]) for i in range(7) for j in range(7) if i != j])
    expected = xx + yy - 2 * mean([(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-12)
    assert KernelDistance(y, cubic_kernel, scale=1000.0)(x) == pytest.approx(
        1000 * expected, rel=1e-12
    )


def test_kernel_is_unbiased_in_small_samples() -> None:
    values = [kernel_distance(cloud(6, 4, 2 * k), cloud(6, 4, 2 * k + 1)) for k in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 400**0.5
    assert min(values) < 0


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("bad", [np.zeros((1, 4)), np.zeros(4), np.full((3, 4), np.nan)])
def test_unusable_features_are_refused(kind: Kind, bad: np.ndarray) -> None:
    good = cloud(5, 4, 1)
    with pytest.raises(ValueError, match="feature"):
        kind(good)(bad)
    with pytest.raises(ValueError, match="feature"):
        kind(bad)(good)


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("replicates", [1, 3])
def test_swaps_are_distances_of_swapped_features(kind: Kind, replicates: int) -> None:
    features = np.stack(models(7, shift=0.4, replicates=replicates))
    distance = kind(cloud(30, 6, 9))
    swaps = np.random.default_rng(3).integers(2, size=(5, 7)).astype(bool)
    found = distance.swapped(features, swaps)
    for row, labels in enumerate(swaps):
        before, after = _sides(features, labels)
        expected = distance(after.reshape(-1, 6)) - distance(before.reshape(-1, 6))
        assert found[row] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("replicates", [1, 3])
def test_a_kernel_distance_is_known_without_each_prompt(replicates: int) -> None:
    features, _ = models(7, replicates=replicates)
    distance = KernelDistance(cloud(30, 6, 9), cubic_kernel, scale=10.0)
    found = distance.without_each(features)
    assert found is not None
    for prompt in range(7):
        left = np.delete(features, prompt, axis=0)
        assert found[prompt] == pytest.approx(distance(left.reshape(-1, 6)), rel=1e-9)
    assert FrechetDistance(cloud(30, 6, 9)).without_each(features) is None


def _sides(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pictures that pass for the original's and for the finetuned's."""
    chosen = labels.astype(int)
    prompts = np.arange(len(labels))
    return features[chosen, prompts], features[1 - chosen, prompts]


def test_a_statistic_is_a_distance_with_nothing_computed_ahead() -> None:
    distance = PlainDistance(lambda x, y: float(x.mean() - y.mean()), np.ones((2, 3)))
    assert distance(np.zeros((4, 3))) == -1.0


def test_the_gaussian_kernel() -> None:
    x, y = cloud(3, 4, 1), cloud(5, 4, 2)
    expected = [[np.exp(-np.sum((a - b) ** 2) / 200) for b in y] for a in x]
    np.testing.assert_allclose(gaussian_kernel(x, y), expected)

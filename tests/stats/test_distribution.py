"""Distances against the reference packages and closed forms, and their comparison."""

from dataclasses import replace

import numpy as np
import pytest

from sdexp.stats.distribution import (
    AbstractDistance,
    FrechetDistance,
    KernelDistance,
    PlainDistance,
    compare_distributions,
    frechet_distance,
    kernel_distance,
)
from sdexp.stats.paired import Comparison

DISTANCES = [FrechetDistance, KernelDistance]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cloud(count: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return rng(seed).normal(shift, 1, size=(count, width)) / np.arange(1, width + 1) ** 0.5


def models(prompts: int, shift: float = 0.0, replicates: int = 2) -> tuple[np.ndarray, np.ndarray]:
    width = 6
    original = cloud(prompts * replicates, width, 1).reshape(prompts, replicates, width)
    noise = cloud(prompts * replicates, width, 2, shift).reshape(original.shape)
    return original, original + 0.5 * noise


def quick(
    original: np.ndarray, finetuned: np.ndarray, distance: AbstractDistance, seed: int = 0
) -> Comparison:
    return compare_distributions(
        original, finetuned, distance, has_interval=True, rng=rng(seed), permutations=99
    )


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
    assert KernelDistance(y, scale=1000.0)(x) == pytest.approx(1000 * expected, rel=1e-12)


def test_kernel_is_unbiased_in_small_samples() -> None:
    values = [kernel_distance(cloud(6, 4, 2 * k), cloud(6, 4, 2 * k + 1)) for k in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 400**0.5
    assert min(values) < 0


@pytest.mark.parametrize("kind", DISTANCES)
def test_distance_over_a_pool_is_the_distance(kind: type[FrechetDistance]) -> None:
    pool, distance, rows = cloud(40, 6, 1), kind(cloud(30, 6, 2)), np.array([3, 1, 30, 8, 21])
    assert distance.over(pool)(rows) == pytest.approx(distance(pool[rows]), rel=1e-10)


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("bad", [np.zeros((1, 4)), np.zeros(4), np.full((3, 4), np.nan)])
def test_unusable_features_are_refused(kind: type[FrechetDistance], bad: np.ndarray) -> None:
    good = cloud(5, 4, 1)
    with pytest.raises(ValueError, match="feature"):
        kind(good)(bad)
    with pytest.raises(ValueError, match="feature"):
        kind(bad)(good)


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("prompts", [1, 2, 12])
def test_equal_features_differ_by_exactly_nothing(
    kind: type[FrechetDistance], prompts: int
) -> None:
    original, _ = models(prompts)
    result = quick(original, original.copy(), kind(cloud(30, 6, 9)))
    assert result.original == result.finetuned
    assert replace(result, original=0, finetuned=0) == Comparison(0, 0, 0.0, (0.0, 0.0), 1.0, 0.0)


@pytest.mark.parametrize("kind", DISTANCES)
def test_swapped_models_negate_the_difference(kind: type[FrechetDistance]) -> None:
    original, finetuned = models(12, shift=1.0)
    distance = kind(cloud(30, 6, 9))
    there, back = quick(original, finetuned, distance), quick(finetuned, original, distance)
    assert there.ci95 is not None and back.ci95 is not None
    assert there.difference != 0
    assert (back.difference, back.p) == (-there.difference, there.p)
    assert back.ci95 == pytest.approx((-there.ci95[1], -there.ci95[0]))


@pytest.mark.parametrize("kind", DISTANCES)
def test_equal_pictures_in_another_order_are_ties(kind: type[FrechetDistance]) -> None:
    original, _ = models(6)
    result = quick(original, original[:, ::-1], kind(cloud(30, 6, 9)))
    assert result.difference == pytest.approx(0, abs=1e-9)
    assert result.p == 1.0


def test_a_clear_difference_is_found() -> None:
    original, finetuned = models(20, shift=3.0)
    result = quick(original, finetuned, KernelDistance(cloud(50, 6, 9)))
    assert result.ci95 is not None
    assert result.p == 1 / 100
    assert 0 < result.ci95[0] < result.difference < result.ci95[1]


def test_jackknife_of_a_mean_is_the_t_interval() -> None:
    from scipy.stats import t

    original, finetuned = models(15, shift=0.3)
    distance = PlainDistance(lambda x, y: float(x.mean()), np.zeros((2, 6)))
    result = quick(original, finetuned, distance)
    differences = (finetuned - original).mean(axis=(1, 2))
    error = differences.std(ddof=1) / 15**0.5
    low, high = t.interval(0.95, 14, differences.mean(), error)
    assert result.ci95 == pytest.approx((low, high), rel=1e-9)
    assert result.minimum_detectable_effect == pytest.approx(2.8 * error, rel=1e-9)


def test_without_interval_the_effect_comes_from_the_swaps() -> None:
    original, finetuned = models(15)
    distance = PlainDistance(lambda x, y: float(x.mean()), np.zeros((2, 6)))
    result = compare_distributions(
        original, finetuned, distance, has_interval=False, rng=rng(), permutations=2000
    )
    differences = (finetuned - original).mean(axis=(1, 2))
    error = (differences @ differences) ** 0.5 / 15
    assert result.ci95 is None
    assert result.minimum_detectable_effect == pytest.approx(2.8 * error, rel=0.05)


def test_too_few_prompts_give_no_interval() -> None:
    for prompts, replicates in ((1, 2), (2, 1)):
        original, finetuned = models(prompts, shift=1.0, replicates=replicates)
        result = quick(original, finetuned, KernelDistance(cloud(9, 6, 9)))
        assert result.ci95 is None
        assert result.minimum_detectable_effect == np.inf
        assert result.p > 0.3


@pytest.mark.parametrize("kind", DISTANCES)
def test_false_alarms_are_as_rare_as_promised(kind: type[FrechetDistance]) -> None:
    distance, draws = kind(cloud(20, 3, 9)), rng(5)
    alarms = []
    for _ in range(200):
        shared = draws.normal(size=(2, 8, 1, 3))
        original, finetuned = shared + draws.normal(size=(2, 8, 2, 3))
        result = compare_distributions(
            original, finetuned, distance, has_interval=False, rng=draws, permutations=39
        )
        alarms.append(result.p <= 0.05)
    assert 0.01 < np.mean(alarms) < 0.1


def test_features_of_unequal_shape_are_refused() -> None:
    original, finetuned = models(4)
    with pytest.raises(ValueError, match="both must be"):
        quick(original, finetuned[:3], KernelDistance(cloud(9, 6, 9)))

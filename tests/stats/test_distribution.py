"""The paired comparison of distances: its promises, and its false alarms."""

import numpy as np
import pytest

from sdexp.stats.comparison import Comparison
from sdexp.stats.distances import AbstractDistance, PlainDistance
from sdexp.stats.distribution import compare_distributions
from tests.stats.clouds import DISTANCES, Kind, cloud, kernel, models


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def quick(
    original: np.ndarray, finetuned: np.ndarray, distance: AbstractDistance, seed: int = 0
) -> Comparison:
    return compare_distributions(original, finetuned, distance, rng(seed), permutations=99)


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("prompts", [1, 2, 12])
def test_equal_features_differ_by_exactly_nothing(kind: Kind, prompts: int) -> None:
    original, _ = models(prompts)
    distance = kind(cloud(30, 6, 9))
    result = quick(original, original.copy(), distance)
    assert result.original == result.finetuned
    assert (result.difference, result.p) == (0.0, 1.0)
    assert result.error == 0.0 or prompts == 1
    has_interval = kind is kernel and prompts == 12
    assert result.ci95 == ((0.0, 0.0) if has_interval else None)


@pytest.mark.parametrize("kind", DISTANCES)
def test_swapped_models_negate_the_difference(kind: Kind) -> None:
    original, finetuned = models(12, shift=1.0)
    distance = kind(cloud(30, 6, 9))
    there, back = quick(original, finetuned, distance), quick(finetuned, original, distance)
    assert there.difference != 0
    assert (back.difference, back.p) == (-there.difference, there.p)
    assert (there.ci95 is None) == (kind is not kernel)
    if there.ci95 and back.ci95:
        assert back.ci95 == pytest.approx((-there.ci95[1], -there.ci95[0]))


@pytest.mark.parametrize("kind", DISTANCES)
def test_equal_pictures_in_another_order_are_ties(kind: Kind) -> None:
    original, _ = models(6)
    result = quick(original, original[:, ::-1], kind(cloud(30, 6, 9)))
    assert result.difference == pytest.approx(0, abs=1e-9)
    assert result.p == 1.0


def test_a_clear_difference_is_found() -> None:
    original, finetuned = models(20, shift=3.0)
    result = quick(original, finetuned, kernel(cloud(50, 6, 9)))
    assert result.ci95 is not None
    assert result.p == 1 / 100 == result.least_p
    assert 0 < result.ci95[0] < result.difference < result.ci95[1]


def test_without_a_standard_error_it_comes_from_the_swaps() -> None:
    original, finetuned = models(15)
    distance = PlainDistance(lambda x, y: float(x.mean()), np.zeros((2, 6)))
    result = compare_distributions(original, finetuned, distance, rng(), permutations=2000)
    differences = (finetuned - original).mean(axis=(1, 2))
    assert result.ci95 is None
    assert result.error == pytest.approx((differences @ differences) ** 0.5 / 15, rel=0.05)


def test_the_error_of_a_kernel_distance_is_that_of_the_jackknife() -> None:
    original, finetuned = models(15, shift=0.3)
    distance = kernel(cloud(20, 6, 9))
    result = quick(original, finetuned, distance)
    fewer = []
    for prompt in range(15):
        left = (np.delete(one, prompt, axis=0).reshape(-1, 6) for one in (finetuned, original))
        after, before = map(distance, left)
        fewer.append(after - before)
    assert result.error == pytest.approx((14 * np.var(fewer)) ** 0.5, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [8, 20, 64])
def test_intervals_hold_the_truth_as_often_as_promised(prompts: int) -> None:
    """Clustered prompts and heavy tails; the truth is the mean over all draws."""
    draws, distance = rng(prompts), kernel(cloud(200, 4, 1))
    found = []
    for _ in range(400):
        shared = draws.normal(0, 0.7, (prompts, 1, 4))
        original, finetuned = (
            shared + draws.normal(shift, 0.7, (prompts, 2, 4)) for shift in (0.3, 0.5)
        )
        found.append(compare_distributions(original, finetuned, distance, draws, 499))
    truth = np.mean([one.difference for one in found])
    held = [one.ci95 is not None and one.ci95[0] <= truth <= one.ci95[1] for one in found]
    assert 0.915 <= np.mean(held) <= 0.985


def test_too_few_prompts_give_no_interval() -> None:
    for prompts, replicates in ((1, 2), (2, 1), (5, 2)):
        original, finetuned = models(prompts, shift=1.0, replicates=replicates)
        result = quick(original, finetuned, kernel(cloud(9, 6, 9)))
        assert result.ci95 is None and result.least_p >= 0.05
        assert result.minimum_detectable_effect == np.inf and result.p >= result.least_p


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6, 1.0])
def test_interval_and_p_never_contradict_each_other(shift: float) -> None:
    for seed in range(40):
        original, finetuned = (
            cloud(24, 6, 2 * seed + k, shift * k).reshape(12, 2, 6) for k in range(2)
        )
        result = quick(original, finetuned, kernel(cloud(20, 6, 999)), seed)
        assert result.ci95 is not None
        assert (result.p < 0.05) == (not result.ci95[0] <= 0 <= result.ci95[1])


@pytest.mark.parametrize("kind", DISTANCES)
def test_false_alarms_are_as_rare_as_promised(kind: Kind) -> None:
    """Features are many and near each other, as those of pictures are."""
    draws = rng(5)
    distance = kind(1 + draws.normal(1.0, 1.0, size=(30, 32)))
    alarms = []
    for _ in range(300):
        shared = 1 + draws.normal(size=(12, 1, 32))
        original, finetuned = (shared + draws.normal(size=(12, 2, 32)) for _ in range(2))
        alarms.append(quick(original, finetuned, distance, int(draws.integers(1e9))).p < 0.05)
    assert 0.01 < np.mean(alarms) < 0.08


def test_features_of_unequal_shape_are_refused() -> None:
    original, finetuned = models(4)
    with pytest.raises(ValueError, match="both must be"):
        quick(original, finetuned[:3], kernel(cloud(9, 6, 9)))

"""The paired comparison of scores against scipy, closed forms and its own promises."""

import numpy as np
import pytest

from sdexp.stats.comparison import Comparison
from sdexp.stats.paired import compare_means


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scores(prompts: int, replicates: int = 2, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    original = rng(1).normal(25, 3, size=(prompts, replicates))
    return original, original + rng(2).normal(shift, 1, size=(prompts, replicates))


def quick(original: np.ndarray, finetuned: np.ndarray, seed: int = 0) -> Comparison:
    return compare_means(original, finetuned, rng(seed), permutations=500)


@pytest.mark.parametrize("prompts", [2, 5, 9])
def test_exact_sign_flip_agrees_with_scipy(prompts: int) -> None:
    from scipy.stats import permutation_test

    original, finetuned = scores(prompts, shift=0.8)
    expected = permutation_test(
        (finetuned.mean(axis=1), original.mean(axis=1)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    p = compare_means(original, finetuned, rng(), permutations=512).p
    assert p == pytest.approx(expected, abs=1e-12)


def test_random_sign_flip_approaches_the_t_test() -> None:
    from scipy.stats import ttest_rel

    original, finetuned = scores(60, shift=0.15)
    expected = ttest_rel(finetuned.mean(axis=1), original.mean(axis=1)).pvalue
    result = compare_means(original, finetuned, rng(), permutations=4000)
    assert 0.05 < expected < 0.95
    assert result.p == pytest.approx(expected, abs=0.03)


def test_random_sign_flip_never_gives_zero() -> None:
    original, _ = scores(40)
    assert quick(original, original + 5 + original / 100).p == 1 / 501


def test_interval_of_many_is_that_of_t() -> None:
    from scipy.stats import t

    original, finetuned = scores(200, shift=0.2)
    differences = (finetuned - original).mean(axis=1)
    result = compare_means(original, finetuned, rng(), permutations=10_000)
    error = differences.std(ddof=1) / 200**0.5
    assert result.difference == pytest.approx(differences.mean())
    assert result.error == pytest.approx(error)
    expected = t.interval(0.95, 199, differences.mean(), error)
    assert result.ci95 == pytest.approx(expected, abs=0.05 * error)


def test_exact_interval_is_all_values_that_the_test_does_not_refuse() -> None:
    original, finetuned = scores(8, shift=0.5)
    result = quick(original, finetuned)
    assert result.ci95 is not None
    for value in np.linspace(result.ci95[0] - 1, result.ci95[1] + 1, 101):
        p = quick(original, finetuned - value).p
        assert (p >= 0.05) == (result.ci95[0] <= value <= result.ci95[1])


@pytest.mark.parametrize("prompts", [6, 9, 30])
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6])
def test_interval_and_p_never_contradict_each_other(prompts: int, shift: float) -> None:
    for seed in range(50):
        draws = rng(seed)
        finetuned = draws.exponential(1.0, size=(prompts, 1)) - 1 + shift
        result = quick(np.zeros((prompts, 1)), finetuned, seed)
        assert result.ci95 is not None
        assert (result.p < 0.05) == (not result.ci95[0] <= 0 <= result.ci95[1])


def test_effect_size_and_win_rate() -> None:
    original = np.zeros((6, 2))
    finetuned = np.array([[1, 3], [1, -1], [2, 2], [-1, -1], [3, 1], [4, 0.0]])
    result = quick(original, finetuned)
    differences = np.array([2, 0, 2, -1, 2, 2.0])
    assert result.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert result.win_rate == pytest.approx(4.5 / 6)


def test_replicates_of_a_prompt_are_no_evidence() -> None:
    original, finetuned = scores(8, replicates=1, shift=0.5)
    once, often = (
        quick(np.repeat(original, times, axis=1), np.repeat(finetuned, times, axis=1))
        for times in (1, 16)
    )
    assert often.p == once.p
    assert often.ci95 == pytest.approx(once.ci95)
    assert often.error == pytest.approx(once.error)


@pytest.mark.parametrize("prompts", [1, 2, 40])
def test_equal_scores_differ_by_exactly_nothing(prompts: int) -> None:
    original, _ = scores(prompts)
    result = quick(original, original.copy())
    assert (result.difference, result.p) == (0.0, 1.0)
    assert result.original == result.finetuned
    assert result.ci95 == ((0.0, 0.0) if prompts == 40 else None)


@pytest.mark.parametrize("prompts", [7, 30])
def test_swapped_models_negate_the_difference(prompts: int) -> None:
    original, finetuned = scores(prompts, shift=0.3)
    there, back = quick(original, finetuned), quick(finetuned, original)
    assert there.ci95 is not None and back.ci95 is not None
    assert back.difference == -there.difference
    assert back.ci95 == pytest.approx((-there.ci95[1], -there.ci95[0]))
    assert back.p == there.p


def test_equal_seeds_give_equal_results() -> None:
    original, finetuned = scores(30, shift=0.3)
    assert quick(original, finetuned, seed=4) == quick(original, finetuned, seed=4)


def test_a_single_prompt_tells_nothing() -> None:
    result = quick(np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]]))
    assert (result.difference, result.ci95, result.p) == (2.5, None, 1.0)
    assert result.least_p == 1.0 and result.effect_size is None


def test_false_alarms_are_as_rare_as_promised() -> None:
    draws = rng(3)
    null = [
        compare_means(np.zeros((10, 1)), draws.normal(size=(10, 1)), draws, permutations=1024)
        for _ in range(400)
    ]
    assert 0.02 < np.mean([result.p < 0.05 for result in null]) < 0.08


@pytest.mark.parametrize(
    ("original", "finetuned"),
    [
        (np.zeros((3, 2)), np.zeros((2, 2))),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.zeros((3, 1)), np.full((3, 1), np.nan)),
    ],
)
def test_unusable_scores_are_refused(original: np.ndarray, finetuned: np.ndarray) -> None:
    with pytest.raises(ValueError, match="score"):
        quick(original, finetuned)

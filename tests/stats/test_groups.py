import numpy as np
import pytest
from scipy.stats import ttest_ind

from sdexp.stats.groups import compare_groups

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sizes", [(2, 2), (32, 64), (9, 100)])
def test_it_is_the_test_of_welch(sizes: tuple[int, int]) -> None:
    first = RNG.normal(1.0, 2.0, sizes[0])
    second = RNG.normal(0.0, 0.5, sizes[1])
    found = compare_groups(first, second)
    expected = ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.ci95 == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_groups_that_do_not_vary() -> None:
    ones = np.ones(3)
    assert compare_groups(ones, ones).p == 1 and compare_groups(ones, ones).ci95 == (0, 0)
    assert compare_groups(ones, 2 * ones).p == 0


def test_a_single_number_has_no_interval() -> None:
    found = compare_groups(np.ones(1), np.zeros(5))
    assert (found.difference, found.ci95, found.p) == (1, None, None)
    with pytest.raises(ValueError, match="groups of 0 and 5"):
        compare_groups(np.ones(0), np.zeros(5))

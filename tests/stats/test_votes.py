import pytest
from scipy.stats import binomtest

from sdexp.stats.votes import Tally, tally


@pytest.mark.parametrize(("won", "lost"), [(7, 3), (1, 0), (0, 5), (50, 50), (120, 80)])
def test_the_interval_is_that_of_scipy(won: int, lost: int) -> None:
    found = tally(["finetuned"] * won + ["original"] * lost)
    expected = binomtest(won, won + lost).proportion_ci(method="wilson")
    assert found.ci95 == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.win_rate == won / (won + lost)
    assert (found.finetuned, found.original, found.same) == (won, lost, 0)


def test_who_chose_neither_is_counted_and_decides_nothing() -> None:
    decided = ["finetuned", "original", "finetuned"]
    mixed = tally(["same", *decided, "same", "same"])
    alone = tally(decided)
    assert mixed.same == 3 and alone.same == 0
    assert (mixed.win_rate, mixed.ci95) == (alone.win_rate, alone.ci95)
    assert mixed.win_rate == pytest.approx(2 / 3)


def test_the_two_are_treated_alike() -> None:
    found = tally(["finetuned"] * 9 + ["original"] * 2)
    other = tally(["original"] * 9 + ["finetuned"] * 2)
    assert found.ci95 is not None and other.ci95 is not None
    assert found.ci95 == pytest.approx((1 - other.ci95[1], 1 - other.ci95[0]), abs=1e-12)


def test_without_a_decision_there_is_no_rate() -> None:
    assert tally([]) == Tally(0, 0, 0, None, None)
    assert tally(["same", "same"]) == Tally(0, 0, 2, None, None)

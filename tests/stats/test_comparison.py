"""Power, sizes, intervals of shares, and verdicts."""

import numpy as np
import pytest

from sdexp.stats.comparison import (
    POWER,
    Comparison,
    Verdict,
    detectable,
    needed,
    verdict,
    wilson,
)


@pytest.mark.parametrize(("prompts", "effect"), [(8, 1.3), (20, 0.76), (64, 0.41)])
def test_the_detectable_effect_is_found_with_the_promised_power(
    prompts: int, effect: float
) -> None:
    from scipy.stats import nct, t

    assert detectable(1 / prompts**0.5, prompts) == pytest.approx(effect, rel=0.03)
    exact = detectable(1 / prompts**0.5, prompts)
    power = nct.sf(t.ppf(0.975, prompts - 1), prompts - 1, exact * prompts**0.5)
    assert power == pytest.approx(POWER, abs=0.02)


def test_fewer_than_six_prompts_detect_nothing() -> None:
    assert detectable(1e-9, 5) == np.inf and detectable(1e-9, 6) < 1e-8


@pytest.mark.parametrize("effect", [0.05, 0.2, 1.0, 1.7])
def test_the_needed_prompts_are_the_fewest_that_are_enough(effect: float) -> None:
    count = needed(1.0, effect)
    assert count is not None
    assert detectable(1 / count**0.5, count) <= effect
    assert detectable(1 / (count - 1) ** 0.5, count - 1) > effect


def test_needed_prompts_at_the_ends() -> None:
    assert needed(0.0, 0.1) == 6 and needed(1.0, 0.0) is None and needed(np.inf, 1.0) is None
    # z_0.975 + z_0.9 = 3.24
    assert needed(1.0, 0.01) == pytest.approx(3.2415**2 / 0.01**2, rel=0.001)


@pytest.mark.parametrize(("rate", "count"), [(0.0, 10), (0.3, 10), (0.5, 64), (1.0, 8)])
def test_the_interval_of_a_share_is_wilsons(rate: float, count: int) -> None:
    from scipy.stats import binomtest

    found = binomtest(round(rate * count), count).proportion_ci(method="wilson")
    assert wilson(rate, count) == pytest.approx((found.low, found.high), abs=1e-9)


def compared(
    difference: float, p: float, ci95: tuple[float, float] | None, error: float = 0.01
) -> Comparison:
    return Comparison(1.0, 1.0 + difference, difference, ci95, p, 1e-4, error, 50)


# Difference, p, interval, standard error; a difference below 0.5 would not matter.
CASES: dict[str, tuple[Comparison, Verdict]] = {
    "seen and large": (compared(1.0, 0.01, (0.6, 1.4)), "better"),
    "seen and negative": (compared(-1.0, 0.01, (-1.4, -0.6)), "worse"),
    "without an interval": (compared(1.0, 0.01, None), "better"),
    "just large enough": (compared(0.5, 0.01, (0.1, 0.9)), "better"),
    "seen and far too small": (
        compared(0.00001, 0.001, (0.000005, 0.000015)),
        "too small to matter",
    ),
    "seen, perhaps large enough": (compared(0.4, 0.01, (0.1, 0.7), 0.1), "no evidence"),
    "p is low, the interval holds 0": (compared(0.6, 0.04, (-0.1, 1.3), 0.1), "no evidence"),
    "p is just too high": (compared(1.0, 0.05, (0.0, 2.0), 0.1), "no evidence"),
    "nothing, and well measured": (compared(0.01, 0.6, (-0.1, 0.1)), "too small to matter"),
    "nothing, and ill measured": (compared(0.3, 0.6, (-2.0, 2.6), 1.0), "underpowered"),
    "no interval, and ill measured": (compared(0.3, 0.6, None, 1.0), "underpowered"),
    "no interval, well measured": (compared(0.3, 0.6, None), "no evidence"),
    "equal": (compared(0.0, 1.0, (0.0, 0.0), 0.0), "too small to matter"),
}


@pytest.mark.parametrize("case", CASES)
def test_verdicts(case: str) -> None:
    comparison, expected = CASES[case]
    assert verdict(comparison, True, 0.5) == expected
    mirrored: dict[str, Verdict] = {"better": "worse", "worse": "better"}
    other = mirrored[expected] if expected in mirrored else expected
    assert verdict(comparison, False, 0.5) == other


def test_so_few_prompts_that_no_p_is_low_are_underpowered() -> None:
    two = Comparison(1.0, 0.0, -1.19, None, 0.5, 0.5, 0.01, 2)
    assert verdict(two, True, 0.5) == "underpowered"


def test_equal_scores_are_never_better() -> None:
    assert verdict(compared(0.0, 0.01, None, 0.0), True, 0.0) == "no evidence"

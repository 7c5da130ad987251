from typing import Any

import pytest

from sdexp.ground.checks import above, at_least, at_most, share

NAN = float("nan")
INFINITE = float("inf")


@pytest.mark.parametrize(
    "check, bound, good, bad",
    [
        (at_least, 1, [None, 1, 1.5, 10**9], [0, 0.999, -1, NAN, INFINITE]),
        (above, 0, [None, 1e-30, 5], [0, -1e-30, NAN, INFINITE]),
        (at_most, 10, [None, -5, 10], [10.001, INFINITE, NAN]),
    ],
)
def test_bounds(check: Any, bound: float, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        check("section", bound, key=value)
    for value in bad:
        with pytest.raises(ValueError, match=r"^section\.key=.*: allowed is "):
            check("section", bound, key=value)


def test_a_share_lies_between_0_and_1() -> None:
    share("section", low=0, high=1.0)
    for value in (-1e-9, 1.000001, NAN):
        with pytest.raises(ValueError, match="a number from 0 to 1"):
            share("section", key=value)

import pytest

from sdexp.service.limits import BYTES_PER_PIXEL, LARGEST_SIDE, MIN_SIDE, Limits, side_for
from tests.service.houses import settings


@pytest.mark.parametrize("side", [64, 512, 1000, 1024])
def test_the_largest_side_is_what_memory_holds(side: int) -> None:
    found = side_for(side**2 * BYTES_PER_PIXEL)
    assert found % 8 == 0 and side - 8 < found <= side


def test_it_has_bounds_of_its_own() -> None:
    assert side_for(0) == MIN_SIDE and side_for(10**15) == LARGEST_SIDE
    assert MIN_SIDE < side_for(None) < LARGEST_SIDE


def test_a_person_may_set_it() -> None:
    assert Limits.of(settings("max_side=128"), 10**15).max_side == 128
    assert Limits.of(settings(), None).max_images == settings().max_images

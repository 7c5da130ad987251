import numpy as np
import pytest

from sdexp.stats.signs import kept_row, least_p, swaps


def test_few_prompts_have_all_swaps() -> None:
    rows = swaps(5, np.random.default_rng(0), 32)
    assert rows.shape == (32, 5) and len({tuple(row) for row in rows.tolist()}) == 32
    assert not rows[0].any()


@pytest.mark.parametrize(("prompts", "count"), [(5, 31), (40, 999), (2000, 99)])
def test_many_prompts_have_random_ones_after_the_plain_one(prompts: int, count: int) -> None:
    rows = swaps(prompts, np.random.default_rng(0), count)
    assert rows.shape == (count + 1, prompts) and not rows[0].any()
    assert 0.4 < rows[1:].mean() < 0.6


def test_the_smallest_p() -> None:
    assert [least_p(prompts, 1000) for prompts in (1, 2, 5, 6)] == [1.0, 0.5, 0.0625, 0.03125]
    assert least_p(40, 1000) == 0.001


@pytest.mark.parametrize("rows", [64, 1000, 1001, 1024, 10_000])
def test_as_many_rows_are_kept_as_make_p_reach_the_level(rows: int) -> None:
    kept = kept_row(rows)
    assert kept / rows >= 0.05 - 1e-12 and (kept - 1) / rows < 0.05

import math

import pytest

from sdexp.dataset.splits import check_fractions, cut

BOTH = {"val": 0.1, "test": 0.1}


@pytest.mark.parametrize("size", [3, 4, 5, 9, 10, 15, 100])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.49])
def test_cut_is_disjoint_complete_and_never_empty(size: int, share: float) -> None:
    ids = [f"{k}.png" for k in range(size)]
    parts = cut(ids, {"val": share, "test": share})
    assert sorted(sum(parts.values(), [])) == sorted(ids)
    assert all(parts.values())
    wanted = round(size * share)
    assert len(parts["test"]) == min(max(2, wanted), size - 2)
    assert len(parts["val"]) == min(max(1, wanted), size - 1 - len(parts["test"]))


def test_cut_does_not_depend_on_the_order() -> None:
    ids = [f"{k}.png" for k in range(50)]
    assert cut(ids, BOTH) == cut(ids[::-1], BOTH)


def test_a_new_picture_moves_at_most_one_other_across_each_border() -> None:
    ids = [f"{k}.png" for k in range(100)]
    before = cut(ids, BOTH)
    for k in range(50):
        after = cut([*ids, f"new{k}.png"], BOTH)
        for split in ("val", "test"):
            assert len(set(before[split]) - set(after[split])) <= 1
            assert len(set(after[split]) - set(before[split])) <= 1


def test_only_the_missing_split_is_cut() -> None:
    parts = cut(["a", "b"], {"test": 0.1})
    assert [len(parts[split]) for split in ("train", "val", "test")] == [1, 0, 1]


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.0, math.nan, math.inf])
def test_fractions_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"dataset\.val_fraction=.*allowed"):
        check_fractions(bad, 0.1)
    with pytest.raises(ValueError, match=r"dataset\.test_fraction=.*allowed"):
        check_fractions(0.1, bad)


def test_fractions_must_leave_something_to_train_on() -> None:
    with pytest.raises(ValueError, match="nothing is left to train on"):
        check_fractions(0.5, 0.5)

import math

import pytest

from sdexp.dataset.base import Finding
from sdexp.dataset.splits import SplitRules, by_reason, cut
from sdexp.ground.errors import DataError

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
        SplitRules(bad, 0.1, 0.05)
    with pytest.raises(ValueError, match=r"dataset\.test_fraction=.*allowed"):
        SplitRules(0.1, bad, 0.05)


def test_fractions_must_leave_something_to_train_on() -> None:
    with pytest.raises(ValueError, match="nothing is left to train on"):
        SplitRules(0.5, 0.5, 0.05)


def test_reasons_are_gathered() -> None:
    findings = [Finding(f"{k}", "truncated or damaged: block 7") for k in range(3)]
    findings += [Finding("x", f"{k}x9 is above the cap") for k in range(5)]
    findings += [Finding("y", f"reason {k}") for k in "abcde"]
    assert by_reason(findings) == (
        "5: size is above the cap; 3: truncated or damaged; 1: reason a; 1: reason b; 1: reason c; "
        "2 other reasons"
    )


def test_what_is_lost_is_counted_in_pictures() -> None:
    rules = SplitRules(0.1, 0.1, 0.1)
    rules.check_lost("x", 9, [Finding("a", "gone")])
    with pytest.raises(DataError, match=r"x: 2 of 10 pictures would be dropped \(2: gone\), more"):
        rules.check_lost("x", 8, [Finding("a", "gone"), Finding("b", "gone")])

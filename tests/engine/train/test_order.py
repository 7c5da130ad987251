"""Which samples an optimizer step sees."""

from collections import Counter
from dataclasses import replace

import pytest

from sdexp.engine.train.order import AbstractOrder, BucketOrder, Order

ORDER = Order(samples=23, batch_size=4, accumulation=2, processes=1, seed=3)


def flat(order: AbstractOrder, steps: range) -> list[int]:
    return [index for step in steps for index in order.step_samples(step)]


def test_an_epoch_shows_every_sample_once() -> None:
    assert ORDER.steps_per_epoch == 3
    assert sorted(flat(ORDER, range(3))) == list(range(23))


def test_epochs_have_different_orders() -> None:
    assert flat(ORDER, range(3)) != flat(ORDER, range(3, 6))


def test_the_last_group_of_an_epoch_holds_what_is_left() -> None:
    assert [len(batch) for batch in ORDER.micro_batches(2, 0)] == [4, 3]


@pytest.mark.parametrize("batch_size, accumulation, processes", [(8, 1, 1), (2, 2, 2), (1, 4, 2)])
def test_the_samples_of_a_step_depend_only_on_their_number(
    batch_size: int, accumulation: int, processes: int
) -> None:
    other = replace(ORDER, batch_size=batch_size, accumulation=accumulation, processes=processes)
    for step in range(6):
        assert other.step_samples(step) == ORDER.step_samples(step)
        parts = [
            index
            for rank in range(processes)
            for batch in other.micro_batches(step, rank)
            for index in batch
        ]
        assert sorted(parts) == sorted(ORDER.step_samples(step))


def test_every_process_has_the_same_number_of_micro_batches() -> None:
    order = replace(ORDER, samples=17, batch_size=2, processes=4)
    for step in range(order.steps_per_epoch):
        assert len({len(order.micro_batches(step, rank)) for rank in range(4)}) == 1


# Three wide buckets and one with a single sample.
BUCKETS = tuple([0] * 9 + [1] * 6 + [2] * 7 + [3])
IN_BUCKETS = BucketOrder(
    samples=23, batch_size=4, accumulation=2, processes=1, seed=3, buckets=BUCKETS
)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_epoch_of_buckets_shows_every_sample_once(processes: int) -> None:
    order = replace(IN_BUCKETS, batch_size=4 // processes, processes=processes)
    # Micro-batches: 3 of the first, 2 each of the second and third, 1 of the last.
    assert order.steps_per_epoch == 4
    for epoch in range(3):
        steps = range(4 * epoch, 4 * epoch + 4)
        assert sorted(flat(order, steps)) == list(range(23))
        for step in steps:
            for group in order.groups(step):
                assert len({BUCKETS[index] for index in group}) == 1
                assert len(group) <= 4
    sizes = Counter(len(group) for step in range(4) for group in order.groups(step))
    assert sizes == {4: 4, 3: 1, 2: 1, 1: 2}


def test_samples_of_a_step_in_buckets_depend_only_on_the_global_batch() -> None:
    other = replace(IN_BUCKETS, batch_size=2, processes=2)
    for step in range(8):
        assert other.step_samples(step) == IN_BUCKETS.step_samples(step)
        ranks = [other.micro_batches(step, rank) for rank in range(2)]
        assert len(ranks[0]) == len(ranks[1]) == len(IN_BUCKETS.groups(step))
        for group, *parts in zip(IN_BUCKETS.groups(step), *ranks, strict=True):
            assert [index for part in parts for index in part] == group


def test_the_buckets_of_an_epoch_do_not_come_one_after_the_other() -> None:
    order = replace(IN_BUCKETS, accumulation=1)
    orders = [
        [BUCKETS[order.groups(step)[0][0]] for step in range(8 * epoch, 8 * epoch + 8)]
        for epoch in range(4)
    ]
    assert len({tuple(one) for one in orders}) > 1 and orders[0] != sorted(orders[0])

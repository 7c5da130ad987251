import pickle
from dataclasses import replace

import numpy as np
import pytest

from sdexp.dataset.pocket import Pocket
from sdexp.engine.train.batches import Order, TrainPictures, micro_batches

ORDER = Order(samples=23, batch_size=4, accumulation=2, processes=1, seed=3)


def flat(order: Order, steps: range) -> list[int]:
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


@pytest.fixture
def pictures(recipes) -> TrainPictures:  # type: ignore[no-untyped-def]
    training = recipes("training.center_crop=false", "training.random_flip=true").training
    data = Pocket(look="plain", num_train=40, num_val=1, num_test=1).open("train")
    return TrainPictures(data, training, 32, 0.25, None)


def test_a_sample_depends_on_epoch_and_id_alone(pictures: TrainPictures) -> None:
    alone = pictures[(1, 7)]
    order = Order(samples=40, batch_size=8, accumulation=1, processes=1, seed=0)
    for workers in (0, 2):
        batches = micro_batches(pictures, order, range(5, 10), 0, workers)
        found = [item for batch in batches for item in batch if item.sample_id == alone.sample_id]
        assert len(found) == 1
        assert found[0].caption == alone.caption
        assert (found[0].view.pixels == alone.view.pixels).all()


def test_captions_vary_over_epochs_and_some_are_dropped(pictures: TrainPictures) -> None:
    seen = [pictures[(epoch, 0)].caption for epoch in range(200)]
    assert set(seen) - {""} == set(pictures.data.captions(0))
    assert 0.15 < seen.count("") / 200 < 0.35


def test_flips_are_even_and_exact(pictures: TrainPictures) -> None:
    plain = pictures.data[0].image
    flipped = 0
    pictures.config.center_crop = True
    pictures.resolution = 64
    straight = np.asarray(plain).transpose(2, 0, 1)
    for epoch in range(60):
        pixels = pictures[(epoch, 0)].view.pixels.numpy()
        if (pixels == straight[:, :, ::-1]).all():
            flipped += 1
        else:
            assert (pixels == straight).all()
    assert 15 < flipped < 45


def test_pictures_travel_to_loader_workers(pictures: TrainPictures) -> None:
    there = pickle.loads(pickle.dumps(pictures))[(0, 3)].view
    assert (there.pixels == pictures[(0, 3)].view.pixels).all()

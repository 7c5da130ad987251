import pickle

import numpy as np
import pytest

from sdexp.dataset.pocket import Pocket
from sdexp.engine.train.batches import TrainPictures, micro_batches
from sdexp.engine.train.order import Order


@pytest.fixture
def pictures(recipes) -> TrainPictures:  # type: ignore[no-untyped-def]
    training = recipes("training.center_crop=false", "training.random_flip=true").training
    data = Pocket(look="plain", num_train=40, num_val=1, num_test=1).open("train")
    return TrainPictures(data, training, [(32, 32)] * 40, 0.25, None)


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
    pictures.sizes = [(64, 64)] * 40
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

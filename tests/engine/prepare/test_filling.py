from pathlib import Path

import pytest

from sdexp.engine.prepare.filling import fill_store
from sdexp.engine.train.latents import MOMENTS
from sdexp.ground.store import Store
from tests.engine.prepare.folders import photos, recipes_of


def entries(store: Store) -> int:
    return len(list((store.root / MOMENTS).glob("*/*.bin")))


@pytest.mark.parametrize(("flip", "times"), [(False, 1), (True, 2)])
def test_every_picture_of_the_training_is_stored_once(
    tmp_path: Path, flip: bool, times: int
) -> None:
    store = Store(tmp_path / "store")
    recipes = recipes_of(photos(tmp_path / "photos"), f"training.random_flip={str(flip).lower()}")
    count = len(recipes.dataset.open("train")) * times
    assert fill_store(recipes, store, "cpu") == f"store: {count} pictures encoded, 0 were there"
    assert entries(store) == count
    assert fill_store(recipes, store, "cpu") == f"store: 0 pictures encoded, {count} were there"


def test_a_training_finds_what_it_needs(tmp_path: Path) -> None:
    from sdexp.engine.train.batches import TrainPictures
    from sdexp.engine.train.latents import MomentCache
    from sdexp.engine.train.timetable import timetable_of

    store = Store(tmp_path / "store")
    recipes = recipes_of(
        photos(tmp_path / "photos"),
        "training.bucket.enable_bucket=true",
        "training.bucket.min_bucket_reso=32",
        "training.bucket.bucket_reso_steps=8",
    )
    fill_store(recipes, store, "cpu")
    data = recipes.dataset.open("train")
    model = recipes.model.load("cpu")
    sizes = timetable_of(recipes, data, 1, model.sample_size).sizes
    pictures = TrainPictures(data, recipes.training, sizes, 0.0, MomentCache(model, store))
    views = [pictures[0, index].view for index in range(len(data))]
    assert all(view.encoded is not None and view.encoded.moments is not None for view in views)

from typing import Any

import numpy as np
import pytest
import torch

from sdexp.engine.generate.layout import Wanted
from sdexp.engine.generate.making import PictureOf
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store


def test_a_picture_is_a_function_of_prompt_and_seed(recipes: Any, store: Store, tiny: str) -> None:
    model = recipes(tiny).model.load("cpu")
    sampling = Sampling("ddim", 2, 2.0, "", 32, 32)
    picture_of = PictureOf(model, store, sampling)
    asked = Wanted("a heart", 1)
    found = picture_of(asked)
    first = found.pixels
    assert not found.in_store and picture_of(asked).in_store
    assert first.shape == (32, 32, 3) and first.dtype == np.uint8
    elsewhere = PictureOf(model, Store(store.root / "other"), sampling)
    assert (elsewhere(asked).pixels == first).all()
    for other in (Wanted("a heart", 2), Wanted("a star", 1), Wanted("a heart", 1, ("an id", 0))):
        assert (picture_of(other).pixels != first).any()


def test_a_watcher_is_told_of_each_step_and_may_end_it(
    recipes: Any, store: Store, tiny: str
) -> None:
    model = recipes(tiny).model.load("cpu")
    sampling = Sampling("ddim", 3, 2.0, "", 32, 64)
    picture_of = PictureOf(model, store, sampling)
    seen = []

    def watch(step: int, latents: torch.Tensor) -> None:
        seen.append((step, tuple(latents.shape)))
        if step == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        picture_of(Wanted("a heart", 1), watch)
    shape = (1, *model.latent_shape(32, 64))
    assert seen == [(1, shape), (2, shape)]
    # Nothing half made was kept, and nothing of it is left.
    found = picture_of(Wanted("a heart", 1))
    assert not found.in_store and found.pixels.shape == (32, 64, 3)
    fresh = recipes(tiny).model.load("cpu")
    alone = PictureOf(fresh, Store(store.root / "other"), sampling)
    assert (found.pixels == alone(Wanted("a heart", 1)).pixels).all()

from typing import Any

import numpy as np

from sdexp.engine.generate.making import PictureOf
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store


def test_a_picture_is_a_function_of_prompt_and_seed(recipes: Any, store: Store, tiny: str) -> None:
    model = recipes(tiny).model.load("cpu")
    sampling = Sampling("ddim", 2, 2.0, "", 32, 32)
    picture_of = PictureOf(model, store, sampling)
    first = picture_of("a heart", 1)
    assert first.shape == (32, 32, 3) and first.dtype == np.uint8
    assert (PictureOf(model, Store(store.root / "other"), sampling)("a heart", 1) == first).all()
    assert (picture_of("a heart", 2) != first).any() and (picture_of("a star", 1) != first).any()

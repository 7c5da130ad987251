from typing import Any

from sdexp.ground.store import Store
from tests.engine.train.runs import trainer


def test_moments_come_from_the_store_the_second_time(
    tiny_run: Any, tiny_recipes: Any, store: Store
) -> None:
    for name, encoded in (("first", 4 * 4 + 4), ("second", 0)):
        one = trainer(tiny_run(name), tiny_recipes, store)
        one.train()
        assert one.setup.loss_of.moments.encoded == encoded


def test_a_picture_is_decoded_once_in_a_run(tiny_run: Any, tiny_recipes: Any, store: Store) -> None:
    overrides = ("training.max_train_steps=30", "training.random_flip=true")
    one = trainer(tiny_run("run", *overrides), tiny_recipes, store, *overrides)
    decoded: list[int] = []
    get = type(one.setup.data).__getitem__

    class Counting(type(one.setup.data)):  # type: ignore[misc]
        def __getitem__(self, index: int) -> Any:
            decoded.append(index)
            return get(self, index)

    one.setup.pictures.data.__class__ = Counting
    one.train()
    # Three epochs of 40 pictures, each in at most two mirrorings.
    assert 40 <= len(decoded) <= 80 and max(map(decoded.count, decoded)) <= 2

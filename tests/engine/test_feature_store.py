from typing import Any

import numpy as np
import pytest

from sdexp.engine.feature_store import FEATURES, FeatureStore, shown
from sdexp.ground.store import Store


class Judge:
    sha256 = "1"


class Other:
    sha256 = "2"


def test_features_are_made_once(store: Store) -> None:
    judge: Any = Judge()
    calls: list[int] = []

    def make() -> np.ndarray:
        calls.append(1)
        return np.arange(3.0)

    for _ in range(2):
        kept = FeatureStore(judge, store, "cpu")
        found = kept.get_or_make(kept.key("images", "a"), make)
        np.testing.assert_array_equal(found, np.arange(3.0))
    assert len(calls) == 1 and len(list((store.root / FEATURES).rglob("*.bin"))) == 1


def test_a_key_knows_judge_device_and_threads(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge: Any = Judge()
    other: Any = Other()
    key = FeatureStore(judge, store, "cpu").key("a")
    assert FeatureStore(judge, store, "cpu").key("a") == key
    others = [
        FeatureStore(other, store, "cpu").key("a"),
        FeatureStore(judge, store, "cuda").key("a"),
    ]
    monkeypatch.setattr("torch.get_num_threads", lambda: 77)
    others.append(FeatureStore(judge, store, "cpu").key("a"))
    assert len({key, *others}) == 4


def test_pictures_of_another_shape_are_others() -> None:
    flat = np.zeros((1, 2, 8, 3), np.uint8)
    assert shown(flat) != shown(flat.reshape(1, 8, 2, 3))

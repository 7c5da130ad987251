"""Each picture once through the network, by way of the store, and no bit different for it."""

from pathlib import Path

import numpy as np
import pytest

from sdexp.backbone.base import LoadedBackbone, PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.engine.feature_store import FEATURES
from sdexp.ground.errors import DataError
from sdexp.ground.store import Store


class Counting(LoadedBackbone):
    """A backbone whose features are means over the pictures, and which counts them."""

    name = "counting"

    def __init__(self, sha256: str = "a") -> None:
        self.sha256 = sha256
        self.seen: list[str] = []

    def images(self, pictures: np.ndarray) -> np.ndarray:
        self.seen += ["image"] * len(pictures)
        return pictures.reshape(len(pictures), -1, 3).mean(axis=1)

    def texts(self, texts: list[str]) -> np.ndarray:
        self.seen += ["text"] * len(texts)
        return np.array([[float(len(text))] for text in texts])

    def pairs(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        self.seen += ["pair"] * len(left)
        return np.abs(left.astype(float) - right).mean(axis=(1, 2, 3))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(40, 8, 8, 3), dtype=np.uint8)


def kept(store: Store) -> int:
    return len(list((store.root / FEATURES).rglob("*.bin")))


def test_a_picture_is_embedded_once_whatever_asks(pixels: np.ndarray, store: Store) -> None:
    backbone = Counting()
    source = Features(backbone, store, "cpu")
    own = PictureSet.of(pixels, shared=False)
    first = source.images(own)
    np.testing.assert_allclose(first, pixels.reshape(40, -1, 3).mean(axis=1))
    assert np.array_equal(source.images(PictureSet.of(pixels.copy(), shared=True)), first)
    source.texts(["a", "bb"] * 20)
    source.texts(["a", "bb"] * 20)
    source.pairs(own, PictureSet.of(pixels[::-1].copy(), shared=True))
    source.pairs(own, PictureSet.of(pixels[::-1].copy(), shared=True))
    assert [backbone.seen.count(what) for what in ("image", "text", "pair")] == [40, 40, 40]
    assert kept(store) == 0, "what only this run has is not kept"


def test_what_is_shared_is_kept_for_other_runs(pixels: np.ndarray, store: Store) -> None:
    shared = PictureSet.of(pixels, shared=True)
    first = Features(Counting(), store, "cpu")
    values = (first.images(shared), first.pairs(shared, shared))
    assert kept(store) == 4, "two batches of pictures, two of pairs"
    backbone = Counting()
    again = Features(backbone, store, "cpu")
    assert np.array_equal(again.images(shared), values[0])
    assert np.array_equal(again.pairs(shared, shared), values[1])
    assert backbone.seen == []


def test_one_pixel_or_other_weights_never_hit_an_old_entry(
    pixels: np.ndarray, store: Store
) -> None:
    Features(Counting(), store, "cpu").images(PictureSet.of(pixels, shared=True))
    changed = pixels.copy()
    changed[39, 0, 0, 0] ^= 1
    for backbone, pictures, seen in ((Counting(), changed, 8), (Counting("b"), pixels, 40)):
        Features(backbone, store, "cpu").images(PictureSet.of(pictures, shared=True))
        assert len(backbone.seen) == seen


def test_pairs_of_different_numbers_are_refused_by_the_backbone(
    pixels: np.ndarray, tmp_path: Path
) -> None:
    from sdexp.backbone.alexnet import AlexNet

    source = Features(AlexNet("alexnet").start("cpu"), Store(tmp_path), "cpu")
    with pytest.raises(ValueError, match="pictures of shape"):
        source.pairs(PictureSet.of(pixels[:2], False), PictureSet.of(pixels[:3], False))


def test_pictures_are_read_a_batch_at_a_time(pixels: np.ndarray, store: Store) -> None:
    read: list[int] = []
    at_once: list[int] = []

    class Watching(Counting):
        def images(self, pictures: np.ndarray) -> np.ndarray:
            at_once.append(len(read))
            read.clear()
            return super().images(pictures)

    def picture(k: int) -> np.ndarray:
        read.append(k)
        return pixels[k]

    source = Features(Watching(), store, "cpu")
    pictures = PictureSet(40, picture, shared=False)
    source.images(pictures)
    source.images(pictures)
    assert at_once == [32, 8] and read == [], "and not again for another metric"


def test_numbers_that_are_none_are_told(pixels: np.ndarray, store: Store) -> None:
    class Broken(Counting):
        def images(self, pictures: np.ndarray) -> np.ndarray:
            return np.full((len(pictures), 3), np.nan)

    with pytest.raises(DataError, match="counting: gives numbers that are not finite"):
        Features(Broken(), store, "cpu").images(PictureSet.of(pixels))

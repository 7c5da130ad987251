"""Features of one backbone, by way of the store."""

from collections.abc import Callable
from functools import partial

import numpy as np

from sdexp.backbone.base import AbstractFeatures, Gift, LoadedBackbone, PictureSet, batches
from sdexp.engine.feature_store import FeatureStore, shown
from sdexp.ground.errors import DataError
from sdexp.ground.store import Store

Look = Callable[[np.ndarray], np.ndarray]


class Features(AbstractFeatures):
    """A batch of pictures goes through the network once in an evaluation, whatever asks for it.

    What other runs may ask for too is kept in the store. Batches are keyed as a whole, so that the
    store changes no bit.
    """

    def __init__(self, backbone: LoadedBackbone, store: Store, device: str) -> None:
        self.backbone = backbone
        self._store = FeatureStore(backbone, store, device)
        self._known: dict[str, np.ndarray] = {}
        self._seen: dict[tuple[Gift, PictureSet], np.ndarray] = {}

    def images(self, pictures: PictureSet) -> np.ndarray:
        return self._looked("images", self.backbone.images, pictures)

    def classes(self, pictures: PictureSet) -> np.ndarray:
        return self._looked("classes", self.backbone.classes, pictures)

    def _looked(self, what: Gift, look: Look, pictures: PictureSet) -> np.ndarray:
        """Read and look at all pictures, unless that was done before."""
        if (what, pictures) not in self._seen:
            parts = []
            for rows in batches(pictures.count):
                part = pictures.batch(rows)
                key: list[str | bytes] = [what, *shown(part)]
                parts.append(self._once(key, pictures.shared, partial(look, part)))
            self._seen[what, pictures] = np.concatenate(parts)
        return self._seen[what, pictures]

    def texts(self, texts: list[str]) -> np.ndarray:
        parts = []
        for rows in batches(len(texts)):
            make = partial(self.backbone.texts, texts[rows])
            parts.append(self._once(["texts", *texts[rows]], False, make))
        return np.concatenate(parts)

    def pairs(self, left: PictureSet, right: PictureSet) -> np.ndarray:
        shared = left.shared and right.shared
        parts = []
        for rows in batches(left.count):
            pair = (left.batch(rows), right.batch(rows))
            key = ["pairs", *shown(pair[0]), *shown(pair[1])]
            parts.append(self._once(key, shared, partial(self.backbone.pairs, *pair)))
        return np.concatenate(parts)

    def _once(
        self, what: list[str | bytes], shared: bool, make: Callable[[], np.ndarray]
    ) -> np.ndarray:
        key = self._store.key(*what)
        if key not in self._known:
            made = self._store.get_or_make(key, make) if shared else make()
            if not np.isfinite(made).all():
                raise DataError(f"{self.backbone.name}: gives numbers that are not finite")
            self._known[key] = made
        return self._known[key]

"""Features of one backbone, by way of the store."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import transformers

from sdexp.backbone.base import AbstractFeatures, Gift, LoadedBackbone, PictureSet, batches
from sdexp.ground.errors import DataError
from sdexp.ground.store import Store, digest

FEATURES = "features"
Look = Callable[[np.ndarray], np.ndarray]


class Features(AbstractFeatures):
    """A batch of pictures goes through the network once in an evaluation, whatever asks for it.

    What other runs may ask for too is kept in the store. Batches are keyed as a whole, so that the
    store changes no bit.
    """

    def __init__(self, backbone: LoadedBackbone, store: Store, device: str) -> None:
        self.backbone = backbone
        self._store = store
        self._known: dict[str, np.ndarray] = {}
        self._seen: dict[tuple[Gift, PictureSet], np.ndarray] = {}
        self._facts = [
            backbone.sha256,
            torch.device(device).type,
            str(torch.get_num_threads()),
            torch.__version__,
            transformers.__version__,
        ]

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
                key: list[str | bytes] = [what, *_shown(part)]
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
            key = ["pairs", *_shown(pair[0]), *_shown(pair[1])]
            parts.append(self._once(key, shared, partial(self.backbone.pairs, *pair)))
        return np.concatenate(parts)

    def _once(
        self, what: list[str | bytes], shared: bool, make: Callable[[], np.ndarray]
    ) -> np.ndarray:
        key = digest(*self._facts, *what)
        if key not in self._known:
            made = self._kept(key, make) if shared else make()
            if not np.isfinite(made).all():
                raise DataError(f"{self.backbone.name}: gives numbers that are not finite")
            self._known[key] = made
        return self._known[key]

    def _kept(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        return self._store.get_or_make(FEATURES, key, lambda: {"features": make()})[0]["features"]


def _shown(pictures: np.ndarray) -> list[str | bytes]:
    """What stands for pictures in a key."""
    return ["x".join(map(str, pictures.shape)), pictures.tobytes()]

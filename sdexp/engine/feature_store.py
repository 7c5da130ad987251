"""Where features of one backbone lie in the store."""

from collections.abc import Callable

import numpy as np
import torch
import transformers

from sdexp.backbone.base import LoadedBackbone
from sdexp.ground.store import Store, digest

FEATURES = "features"


class FeatureStore:
    """Keeps what a backbone said, by everything that it depends on."""

    def __init__(self, backbone: LoadedBackbone, store: Store, device: str) -> None:
        self._store = store
        self._facts = [
            "layout of the backbone's own choice",
            backbone.sha256,
            torch.device(device).type,
            str(torch.get_num_threads()),
            torch.__version__,
            transformers.__version__,
        ]

    def key(self, *what: str | bytes) -> str:
        """Of features of something."""
        return digest(*self._facts, *what)

    def get_or_make(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The features of a key, from the store where it has them."""
        return self._store.get_or_make(FEATURES, key, lambda: {"features": make()})[0]["features"]


def shown(pictures: np.ndarray) -> list[str | bytes]:
    """What stands for pictures in a key."""
    return ["x".join(map(str, pictures.shape)), pictures.tobytes()]

"""The frozen judge that an objective trains against."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from sdexp.backbone.base import AbstractBackbone
from sdexp.engine.feature_store import FeatureStore, shown
from sdexp.engine.train.items import Item
from sdexp.ground.errors import ConfigError
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel


class Tower:
    """Looks at pictures one at a time, so that a half-filled store changes no bit."""

    def __init__(self, recipe: AbstractBackbone, store: Store, device: str) -> None:
        self.backbone = recipe.start(device)
        self._store = FeatureStore(self.backbone, store, device)
        self._device = device

    def __call__(self, items: list[Item]) -> Tensor:
        """Features float32 [B, d] of the squares of samples."""
        features = np.concatenate([self._one(item) for item in items])
        return torch.from_numpy(features).float().to(self._device)

    def _one(self, item: Item) -> np.ndarray:
        assert item.view.pixels is not None
        picture = item.view.pixels.permute(1, 2, 0).numpy()[None]
        key = self._store.key("images", *shown(picture))
        return self._store.get_or_make(key, partial(self.backbone.images, picture))


def check_width(recipe: AbstractBackbone, key: str, model: LoadedModel) -> None:
    """Raise `ConfigError` unless the tower's projection takes what the model's encoder pools."""
    with torch.no_grad():
        width = model.pooled_prompts([""]).shape[1]
    if width != recipe.text_width:
        raise ConfigError(
            f"objective.backbone={key}: the texts of {recipe.name} are {recipe.text_width} wide, "
            f"those of this model's text encoder {width}; name the CLIP that it comes from"
        )

"""Whether the judges can judge, found out before the first picture is made."""

import numpy as np

from sdexp.backbone.base import AbstractBackbone, PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.ground.errors import DataError
from sdexp.ground.store import Store
from sdexp.recipes import Recipes


def check_judges(recipes: Recipes, store: Store, device: str, side: int) -> None:
    """Load each backbone that a metric names and show it blank pictures of `side` pixels.

    Raises `DataError` with a line for each that is damaged, not whole, or blind for such pictures.
    """
    used = {metric.backbone for metric in recipes.metrics.values()}
    faults = [_fault(name, recipes.backbones[name], store, device, side) for name in sorted(used)]
    lines = [line for line in faults if line]
    if lines:
        raise DataError("\n".join(lines))


def _fault(name: str, backbone: AbstractBackbone, store: Store, device: str, side: int) -> str:
    blank = PictureSet.of(np.zeros((2, side, side, 3), np.uint8))
    try:
        source = Features(backbone.start(device), store, device)
        if "images" in backbone.gives:
            source.images(blank)
        if "classes" in backbone.gives:
            source.classes(blank)
        if "texts" in backbone.gives:
            source.texts(["a picture"])
        if "pairs" in backbone.gives:
            source.pairs(blank, blank)
    except DataError as error:
        return str(error)
    except ValueError as error:
        return f"backbone.{name}: {error}"
    return ""

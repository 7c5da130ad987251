"""Metrics on the tiny CLIP model."""

from pathlib import Path

import numpy as np
import pytest

from sdexp.backbone.base import PictureSet
from sdexp.backbone.clip import Clip
from sdexp.engine.evaluate.features import Features
from sdexp.ground.store import Store


@pytest.fixture
def backbone(tiny_clip: str) -> str:
    """The folder of its weights."""
    return tiny_clip


@pytest.fixture
def source(backbone: str, tmp_path: Path) -> Features:
    """What a metric asks."""
    return Features(Clip(backbone).start("cpu"), Store(tmp_path / "store"), "cpu")


@pytest.fixture
def pixels() -> np.ndarray:
    """Forty, so that a batch is full and another is not; another size than the processor's."""
    return np.random.default_rng(0).integers(0, 256, size=(40, 48, 48, 3), dtype=np.uint8)


@pytest.fixture
def pictures(pixels: np.ndarray) -> PictureSet:
    return PictureSet.of(pixels, shared=False)


@pytest.fixture
def prompts() -> list[str]:
    draws = np.random.default_rng(1)
    return ["".join(draws.choice(list("abcdef "), size=8)) for _ in range(40)]

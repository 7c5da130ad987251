"""LPIPS: the backbone's pair distances, each picture with its own reference."""

from pathlib import Path

import numpy as np
import pytest

from sdexp.backbone.alexnet import AlexNet
from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.ground.store import Store
from sdexp.metric.lpips import LpipsDiversity, LpipsGt

METRIC = LpipsGt("alexnet", {"alexnet": 0.005})


@pytest.fixture
def source(tmp_path: Path) -> Features:
    return Features(AlexNet("alexnet").start("cpu"), Store(tmp_path), "cpu")


def test_distances_are_those_of_the_backbone(
    source: Features, pictures: PictureSet, pixels: np.ndarray
) -> None:
    turned = PictureSet.of(pixels[::-1].copy())
    distances = METRIC.features(source, pictures, [""] * 40, turned)
    assert distances.shape == (40, 1)
    for rows in (slice(0, 32), slice(32, 40)):
        expected = source.backbone.pairs(pixels[rows], turned.batch(rows))
        assert np.array_equal(distances[rows, 0], expected)
    assert METRIC.statistic(distances, distances[:0]) == pytest.approx(distances.mean())
    assert not METRIC.features(source, pictures, [""] * 40, pictures).any()


def test_references_must_match(source: Features, pictures: PictureSet, pixels: np.ndarray) -> None:
    for wrong in (None, PictureSet.of(pixels[:1])):
        with pytest.raises(ValueError, match="references for 40 pictures"):
            METRIC.features(source, pictures, [""] * 40, wrong)
    with pytest.raises(ValueError, match="pictures of shape"):
        METRIC.features(source, pictures, [""] * 40, PictureSet.of(pixels[:, :32]))


def test_a_smallest_effect_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="smallest_effect.alexnet=-1"):
        LpipsGt("alexnet", {"alexnet": -1.0})


def test_diversity_is_told_by_the_pictures_of_one_prompt() -> None:
    metric = LpipsDiversity("alexnet", {"alexnet": 0.01})
    assert metric.partner == "replicates" and metric.higher_is_better

from pathlib import Path

import numpy as np

from sdexp.backbone.base import PictureSet
from sdexp.backbone.timm import Timm
from sdexp.engine.evaluate.features import Features
from sdexp.ground.store import Store
from sdexp.metric.inception_score import InceptionScore
from sdexp.stats.scores import inception_score


def test_it_is_the_score_of_the_backbones_classes(tmp_path: Path, pictures: PictureSet) -> None:
    network = Timm("tf_efficientnet_lite0", "efficientnet_lite0", False).start("cpu")
    source = Features(network, Store(tmp_path), "cpu")
    metric = InceptionScore("efficientnet_lite0", {"efficientnet_lite0": 0.1})
    few = pictures.at(range(4))
    logits = metric.features(source, few, [], None)
    assert logits.shape == (4, 1000)
    found = metric.statistic(logits, np.empty((0, 1000)))
    assert found == inception_score(network.classes(few.batch(slice(None)))) > 1

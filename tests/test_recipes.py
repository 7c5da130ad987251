from collections.abc import Callable

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose
from sdexp.optimizer.sgd import Sgd
from sdexp.recipes import Recipes, build_recipes


def test_all_faults_of_the_sections_are_told_at_once() -> None:
    wrong = ["finetune.rank=0", "objective.snr_gamma=-1", "optimizer.lr=-2", "evaluation.seed=-1"]
    with pytest.raises(ConfigError) as caught:
        build_recipes(compose("train", wrong).config)
    lines = str(caught.value).splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "finetune.rank", "objective.snr_gamma", "optimizer.lr", "evaluation.seed",
    ]  # fmt: skip


def test_recipes_are_what_the_files_say(recipes: Callable[..., Recipes]) -> None:
    made = recipes("finetune.rank=3", "optimizer=sgd", "optimizer.lr=0.5")
    assert made.finetune.rank == 3  # type: ignore[attr-defined]
    assert isinstance(made.optimizer, Sgd) and made.optimizer.lr == 0.5
    assert {name: metric.backbone for name, metric in made.judging.metrics.items()} == {
        "kid": "efficientnet_lite0",
        "fd": "efficientnet_lite0",
        "clip_score": "clip",
        "lpips_gt": "alexnet",
    }
    assert made.judging.backbones["clip"].name == "pocket-clip"

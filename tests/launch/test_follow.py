"""Model and metrics follow the data, unless a person chose them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose
from sdexp.launch.follow import is_chosen
from sdexp.recipes import build_recipes

REAL = "dataset=flickr30k"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Writes an experiment of a person's own."""
    monkeypatch.setenv("SDEXP_CONFIG_DIR", str(tmp_path))
    (tmp_path / "experiment").mkdir()

    def write(name: str, text: str) -> None:
        (tmp_path / "experiment" / f"{name}.yaml").write_text(f"# @package _global_\n{text}")

    return write


def test_real_pictures_ask_for_a_real_model_and_judges_that_know_them() -> None:
    composed = compose("train", [REAL, "finetune=unet"])
    assert composed.followed == ("model=sd14", "metric=offline")
    assert composed.choices["model"] == "sd14" and "clip_score" not in composed.config.metric
    assert composed.config.optimizer.lr == 1e-5
    build_recipes(composed.config)


def test_the_embedded_world_stays() -> None:
    composed = compose("train", [])
    assert composed.followed == () and composed.choices["model"] == "pocket"


def test_what_was_chosen_stays() -> None:
    chosen = compose("train", [REAL, "model=pocket", "metric=[lpips_gt]"])
    assert chosen.followed == () and chosen.choices["model"] == "pocket"
    assert list(chosen.config.metric) == ["lpips_gt"]
    assert compose("train", [REAL, "model=sdxl"]).followed == ("metric=offline",)


def test_an_experiment_chooses_too_and_what_it_inherits(
    own: Callable[[str, str], None],
) -> None:
    own("base", "defaults:\n  - override /dataset: flickr30k\n  - override /model: pocket\n")
    own("mine", "defaults:\n  - base\n  - _self_\ntraining:\n  seed: 3\n")
    own("free", "defaults:\n  - override /dataset: flickr30k\n")
    assert compose("train", ["experiment=mine"]).followed == ("metric=offline",)
    assert compose("train", ["experiment=free"]).followed == ("model=sd14", "metric=offline")


def test_a_key_of_a_group_is_no_choice_of_it() -> None:
    assert not is_chosen("model", {}, ["model.revision=abc"])
    assert is_chosen("metric", {}, ["metric=[kid]"])


def test_a_judge_that_knows_nothing_of_the_pictures_is_refused() -> None:
    config = compose("train", [REAL, "metric=[kid,clip_score]"]).config
    config.evaluation.scorer = "pocket-clip"
    with pytest.raises(ConfigError, match="metric.clip_score: its judge was trained on coloured"):
        build_recipes(config)

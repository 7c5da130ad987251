"""Model and metrics follow the data, unless a person chose them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sdexp import train
from sdexp.dataset.scenes import captions, draw, make_scene
from sdexp.ground.errors import ConfigError
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
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


@pytest.mark.slow
def test_the_line_that_everybody_types_runs_from_end_to_end(
    folders: dict[str, Path], empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a small checkpoint in the place of the published one."""
    images = empty_folder / "data" / "flickr30k" / "flickr30k_images"
    images.mkdir(parents=True)
    lines = ["image_name| comment_number| comment"]
    for number in range(16):
        draw(make_scene(number), "plain").resize((96, 80)).save(images / f"{number}.jpg")
        lines += [f"{number}.jpg| {n}| {captions(make_scene(number))[0]}" for n in range(5)]
    (images.parent / "results.csv").write_text("\n".join(lines))
    small = [
        f"model.pretrained_model_name_or_path={folders['sd1']}", "training.max_train_steps=3",
        "evaluation.num_inference_steps=2", "optimizer.lr=1e-3", "tracker=none", "run_dir=r",
    ]  # fmt: skip
    assert train.main(["finetune=unet", "dataset=flickr30k", *small]) == 65
    told = capfd.readouterr().err
    # Before the training, and with what is lacking.
    assert "metric.precision: needs 4 pictures on both sides" in told
    assert "add 4 real ones to the split, or leave the metric out" in told
    assert not Path("r").exists()
    small.append("dataset.test_fraction=0.5")
    assert train.main(["finetune=unet", "dataset=flickr30k", *small]) == 0
    told = capfd.readouterr().out
    assert "model=sd14: chosen by the data" in told and "metric=offline: chosen by the" in told
    scores = read_record(RunFolder(Path("r")).scores, ScoresRecord)
    assert list(scores.metrics) == list(compose("train", ["metric=offline"]).config.metric)
    assert scores.n_prompts == 8

"""The studies that ship: each runs on the embedded world, and is what it says at its real size."""

from pathlib import Path

import pytest

from sdexp import train
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose
from sdexp.launch.files import CONF
from sdexp.model.checkpoint import Weights
from sdexp.recipes import build_recipes
from tests.checkpoints import recipe

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
SMALL = [
    "model=pocket", "dataset=pocket", "dataset.num_train=40", "dataset.num_val=8",
    "dataset.num_test=12", "tracker=none", "training.max_train_steps=2",
    "training.train_batch_size=2", "training.gradient_accumulation_steps=2",
    "evaluation.num_prompts=4", "evaluation.replicates=1", "evaluation.num_inference_steps=2",
    "evaluation.num_permutations=99", "run_dir=r",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_runs_on_the_embedded_world(name: str, empty_folder: Path) -> None:
    assert train.main([f"experiment={name}", *SMALL]) == 0
    run = RunFolder(empty_folder / "r")
    training = run.read_record().training
    assert training is not None and training.steps == 2 and run.scores.is_file()


def test_what_is_typed_counts_before_the_file() -> None:
    config = compose("train", ["experiment=unet_flickr30k"]).config
    assert config.training.num_train_epochs == 3 and config.training.max_train_steps is None
    assert config.model.pretrained_model_name_or_path == "CompVis/stable-diffusion-v1-4"
    words = ["experiment=unet_flickr30k", "training.max_train_steps=5", "model=sd15"]
    config = compose("train", words).config
    assert config.training.num_train_epochs is None and config.training.max_train_steps == 5
    assert "v1-5" in config.model.pretrained_model_name_or_path


@pytest.mark.slow
def test_adapters_of_rank_4_are_as_many_as_published() -> None:
    words = ["experiment=lora_flickr30k", "model.weights=random", "evaluation=none"]
    made = build_recipes(compose("train", words).config)
    model = recipe("owner/absent", weights=Weights.random).load("cpu")
    trained = made.finetune.attach(model)
    assert sum(parameter.numel() for parameter in trained.values()) == 797_184
    names = {name for name in trained if "lora_B" in name}
    assert all(not trained[name].any() for name in names)

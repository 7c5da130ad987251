"""Every file under conf/ composes, builds, and says all that its class needs."""

import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from sdexp import launch
from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import ROOTS, compose
from sdexp.launch.files import CONF, option_file
from sdexp.recipes import build_recipes

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir())
OPTIONS = [(path.parent.name, path.stem) for path in sorted(CONF.glob("*/*.yaml"))]
FILL = {
    "clip_contrastive": ["finetune=text_encoder"],
    "given": ["finetune.path=somewhere"],
    "hub": ["dataset.path=owner/name"],
    "peft": ["finetune.peft_type=OFT"],
    "captions_txt": ["dataset.data_dir=somewhere"],
    "imagefolder": ["dataset.data_dir=somewhere"],
    "stable_diffusion": ["model.pretrained_model_name_or_path=somewhere"],
}


def test_the_groups_that_a_person_expects_are_there() -> None:
    expected = "model finetune dataset optimizer scheduler hardware objective metric tracker"
    assert set(f"{expected} experiment sweep debug".split()) <= set(GROUPS)


def choice_of(group: str, option: str) -> list[str]:
    """What chooses a file: its name, or what it goes with."""
    if option == "none":
        return [f"{group}=none"]
    if group == "preset":
        return [f"finetune={option}", "model=sd14"]
    if group == "model_preset":
        model, _, finetune = option.partition("_")
        if option_file("finetune", finetune) is None:
            return [f"model={model}", f"model_preset={option}"]
        return [f"model={model}", f"finetune={finetune}"]
    if group == "backbone":
        # Those of the list that metrics name must be there.
        return [f"backbone=[clip,alexnet,efficientnet_lite0,{option}]"]
    return [f"{group}={option}"]


@pytest.mark.parametrize("group, option", OPTIONS)
def test_every_option_composes_and_builds(group: str, option: str) -> None:
    words = [*choice_of(group, option), *FILL.get(option, [])]
    build_recipes(compose("train", words).config)


@pytest.mark.parametrize("name", ROOTS)
def test_every_root_composes(name: str) -> None:
    assert set(compose(name, []).config) == {field.name for field in fields(ROOTS[name])}


def leaves(node: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key == "defaults":
            continue
        if isinstance(value, dict):
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


@pytest.mark.parametrize("group", ["experiment", "debug", "preset", "model_preset"])
def test_every_value_of_a_global_file_survives_composition(group: str) -> None:
    for file in sorted((CONF / group).glob("*.yaml")):
        values = leaves(yaml.safe_load(file.read_text()))
        config = compose("train", choice_of(group, file.stem)).config
        for key, value in values.items():
            assert OmegaConf.select(config, key) == value, f"{file.name}: {key}"


def test_an_experiment_chooses_its_groups_and_their_preset() -> None:
    composed = compose("train", ["experiment=woodcut_unet"])
    assert composed.choices["finetune"] == "unet"
    assert composed.config.optimizer.lr == compose("train", ["finetune=unet"]).config.optimizer.lr


@pytest.mark.parametrize(
    "choice, names",
    [
        ("tracker=wandb", ["wandb"]),
        ("tracker=[wandb,tensorboard]", ["tensorboard", "wandb"]),
        ("tracker=none", []),
        ("tracker=[none,tensorboard]", ["tensorboard"]),
    ],
)
def test_trackers_are_a_list_or_none(choice: str, names: list[str]) -> None:
    assert sorted(build_recipes(compose("train", [choice]).config).trackers) == names


def test_the_line_that_everybody_types_composes() -> None:
    config = compose("train", ["finetune=unet", "dataset=flickr30k"]).config
    recipes = build_recipes(config)
    assert config.optimizer.lr == 1e-5 and recipes.evaluation.guidance_scale == 7.5
    with pytest.raises(Exception, match=r"dataset.data_dir=data/flickr30k: .*results\.csv"):
        recipes.dataset.check()


FAULTS = {
    "finetune=unett": "finetune=unett: no such option; did you mean 'unet'?",
    "fintune=unet": "fintune: no such key; did you mean 'finetune'?",
    "metric=[fid,kiddo]": "metric=kiddo: no such option; did you mean 'kid'?",
    "training.sed=1": "training.sed: no such key; did you mean 'training.seed'?",
    "trainig.seed=1": "trainig.seed: no such key; did you mean 'training.seed'?",
    "finetune.rnak=3": "finetune.rnak: no such key; did you mean 'finetune.rank'?",
    "+foo=1": "foo: no such key; allowed: ",
    "+training.foo=1": "training.foo: no such key",
    "+finetune.foo=1": "finetune.foo: Lora has no option 'foo'",
    "+optimizer.foo=1": "optimizer.foo: AdamW has no option 'foo'",
    "foo": "foo: cannot be read; values are given as key=value",
    "training.seed=abc": "training.seed=abc: Value 'abc' of type 'str'",
    "training.train_batch_size=1e3": "training.train_batch_size=1e3: Value '1000.0'",
    "training.train_batch_size=-3": "training.train_batch_size=-3: allowed is 1 or more",
    "training.seed=": "training.seed=: Value '' of type 'str'",
    "training.max_grad_norm=nan": "training.max_grad_norm=nan: allowed is null or above 0",
    "training.max_train_steps=null": "exactly one is a number",
    "training.ema_decay=1.5": "training.ema_decay=1.5: allowed is a number from 0 to 1",
    "training.checkpoints_total_limit=1": "training.checkpoints_total_limit=1: allowed is 2",
    "training.resolution=100": "training.resolution=100: allowed is null or a multiple of 8",
    "training.early_stopping.monitor=loss": "train/loss, validation/loss or validation/METRIC",
    "finetune.rank=abc": "finetune.rank: Value 'abc' of type 'str'",
    "finetune.rank=0": "finetune.rank=0: allowed is 1 or more",
    "objective.noise_offset=nan": "objective.noise_offset=nan: allowed is 0 or more",
    "optimizer.lr=-2": "optimizer.lr=-2.0: allowed is a number above 0",
    "optimizer.lr=nan": "optimizer.lr=nan: allowed is a number above 0",
    "scheduler.name=cosin": "Invalid value 'cosin', expected one of",
    "hardware.device=tpu": "Invalid value 'tpu', expected one of",
    "hardware.num_processes=0": "hardware.num_processes=0: allowed is 1 or more",
    "dataset.look=foo": "dataset.look=foo: allowed are plain",
    f"finetune={300 * 'a'}": "no such option",
    "dataset=imagefolder": "dataset.data_dir: a value is missing",
    "evaluation.primary=psnr": "evaluation.primary=psnr: not among the metrics",
    "metric.kid.smallest_effect.inception=-1": "smallest_effect.inception=-1.0: allowed is 0",
    "metric.kid.backbone=clap": "metric.kid.backbone=clap: not among the backbones; did you mean",
    "backbone=[]": "backbone: nothing is chosen; choose with backbone=NAME",
    "model._target_=os.system": "model._target_=os.system: not a part",
    "model._target_=sdexp.ground.run.subprocess.run": "not a part",
    "model._target_=sdexp.finetune.whole.Whole": "not a part; allowed is a class of sdexp",
    "model._target_=sdexp.model.base.AbstractModel": "not a part",
    "model=null": "model=null: nothing is chosen; name an option",
    "~objective": "objective: nothing is chosen; choose with objective=NAME",
    "tracker=[]": "tracker: nothing is chosen; choose with tracker=NAME",
    "tracker=[wandb,tensorbord]": "tracker=tensorbord: no such option; did you mean 'tensorboard'",
    "tracker.wandb.mode=sometimes": "tracker.wandb.mode=sometimes: allowed is auto | online",
    "preset=uent": "preset=uent: no such option; did you mean 'unet'?",
    "~optimizer": "optimizer: no part is chosen; choose one with optimizer=NAME",
    "optimizer.betas=[0.9]": "optimizer.betas=[0.9]: allowed is two numbers",
    "optimizer.amsgrad=perhaps": "optimizer.amsgrad: Value 'perhaps'",
    "optimizer.weight_decay=true": "optimizer.weight_decay=true: allowed is a number",
    "optimizer.fused=maybe": "optimizer.fused: Value 'maybe'",
    "finetune.components=[vae]": "finetune.components=['vae']: allowed are unet, text_encoder",
    "training.max_train_steps=true": "training.max_train_steps",
    "metric=[]": "metric: n",
    "finetune.rank=${nope}": "finetune.rank: Interpolation key 'nope' not found",
    "finetune.components=[unet,unet]": "allowed is networks, each once",
    "hydra.run.dir=x": "hydra.run.dir=x: the hydra node cannot be overridden",
    "+hydra.callbacks.x={_target_: os.system}": "the hydra node cannot be overridden",
}


@pytest.mark.parametrize("override", FAULTS)
def test_a_fault_is_one_line_that_names_the_key(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_recipes(compose("train", [override]).config)
    message = str(caught.value)
    assert FAULTS[override] in message and "\n" not in message
    assert caught.value.exit_code == 2


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], list[str]]:
    """An experiment file of a person, in a copy of conf/."""
    shutil.copytree(CONF, tmp_path / "conf")
    for module in (launch.compose, launch.files):
        monkeypatch.setattr(module, "CONF", tmp_path / "conf")

    def write(text: str) -> list[str]:
        (tmp_path / "conf" / "experiment" / "mine.yaml").write_text("# @package _global_\n" + text)
        return ["experiment=mine"]

    return write


@pytest.mark.parametrize(
    "text, message",
    [
        ("training:\n  stepz: 10\n", "training.stepz: no such key"),
        ("training:\n  seed: abc\n", "Value 'abc' of type 'str' could not be converted"),
        ("trainin:\n  seed: 1\n", "trainin: no such key; did you mean 'training'?"),
        ("finetune:\n  rnak: 3\n", "finetune.rnak: Lora has no option 'rnak'; did you mean 'rank'"),
        ("finetune:\n  rank: -3\n", "finetune.rank=-3: allowed is 1 or more"),
        ("defaults:\n  - override /finetune: unett\n", "finetune=unett: no such option"),
        ("defaults:\n  - override /fintune: unet\n", "fintune"),
        ("training:\n  seed: [1\n", "mine.yaml, line 4: no valid YAML"),
    ],
)
def test_faults_inside_an_experiment_file(
    experiment: Callable[[str], list[str]], text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_recipes(compose("train", experiment(text)).config)
    assert message in str(caught.value) and "\n" not in str(caught.value)

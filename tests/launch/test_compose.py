from collections.abc import Callable

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose, compose_run, own_and_others
from sdexp.recipes import build_recipes


@pytest.mark.parametrize("door", ["train", "evaluate"])
def test_no_negative_prompt_is_an_empty_one(door: str) -> None:
    config = compose(door, ["evaluation.negative_prompt=null"]).config
    assert config.evaluation.negative_prompt == ""


@pytest.mark.parametrize("path", ["é", "Bilder åäö", "[x]", "a=b", "a(1)", "it's", "a,b", "${x}",
                                  "#a;&", "{a: b}"])  # fmt: skip
def test_a_path_is_taken_as_it_is(path: str) -> None:
    for door, key in (("train", "run_dir"), ("report", "runs"), ("generate", "run")):
        assert compose(door, [f"{key}={path}"]).config[key] == path


def test_a_run_goes_on_from_its_own_values_and_takes_others_as_they_are(
    new_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("${now:}", "training.seed=7")
    monkeypatch.chdir(run.path.parent)
    words = ["run_dir=${now:}", "training.max_train_steps=9", "evaluation.negative_prompt=a ${x}"]
    config = compose_run(words).config
    assert (config.run_dir, config.training.seed) == ("${now:}", 7)
    assert config.training.max_train_steps == 9
    assert config.evaluation.negative_prompt == "a ${x}"


def test_a_file_of_ones_own_that_a_run_was_made_with_is_asked_for(
    new_run: Callable[..., RunFolder],
) -> None:
    run = new_run("run")
    run.change_record(choices={"finetune": "lora", "objective": "mine"})
    with pytest.raises(ConfigError, match="made with objective=mine, a file that is not in conf"):
        compose_run([f"run_dir={run.path}", "training.seed=1"])
    assert compose_run([f"run_dir={run.path}", "objective=denoising"]).config.training.seed == 0


def test_the_command_line_wins_over_everything() -> None:
    config = compose("train", ["experiment=woodcut_unet", "training.max_train_steps=7"]).config
    assert config.training.max_train_steps == 7


@pytest.mark.parametrize(
    "prompt",
    [
        "a red star , hills behind",
        "stripes (big)",
        "it's [b], {c}",
        "",
        "a\\b",
        "a\\'b\\",
        "price ${x}",
        "a\\${x}",
        'she said "hi"',
        '"a" and "b"',
        "null, really",
    ],
)
def test_a_prompt_is_taken_as_it_is(prompt: str) -> None:
    assert compose("generate", ["run=x", f"prompt={prompt}"]).config.prompt == prompt
    config = compose("train", [f"evaluation.negative_prompt={prompt}"]).config
    assert config.evaluation.negative_prompt == prompt


def test_quotes_around_a_prompt_are_not_part_of_it() -> None:
    assert compose("generate", ["run=x", "prompt='a, b'"]).config.prompt == "a, b"
    config = compose("generate", ["run=x", "prompt=a", "negative_prompt=null"]).config
    assert config.negative_prompt is None


def test_what_follows_from_another_key_need_not_be_set() -> None:
    config = compose("train", ["metric=[fid,kid]"]).config
    assert config.evaluation.primary == "fid"
    config = compose("train", ["metric=[fid,kid]", "evaluation.primary=kid"]).config
    assert config.evaluation.primary == "kid"
    assert compose("train", []).config.evaluation.primary == "kid"
    training = compose("train", ["training.num_train_epochs=2"]).config.training
    assert training.num_train_epochs == 2 and training.max_train_steps is None
    both = ["training.num_train_epochs=2", "training.max_train_steps=9"]
    with pytest.raises(ConfigError, match="exactly one is a number"):
        build_recipes(compose("train", both).config)


def test_overrides_go_to_the_door_or_to_the_training() -> None:
    words = ["grid.main=a=b", "seeds=[1,2]", "+model.x=1", "dataset=pocket", "~prompt"]
    own, others = own_and_others("generate", words)
    assert own == ["grid.main=a=b", "seeds=[1,2]", "~prompt"]
    assert others == ["+model.x=1", "dataset=pocket"]

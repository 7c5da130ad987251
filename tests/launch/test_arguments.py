import os
from pathlib import Path

import pytest

from sdexp.ground import plugins
from sdexp.ground.errors import ConfigError
from sdexp.launch.arguments import quoted, read_arguments
from sdexp.launch.files import OWN


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (OWN, plugins.VARIABLE):
        monkeypatch.setenv(name, "")


def test_words_are_sorted(tmp_path: Path) -> None:
    words = ["-m", "finetune=unet", f"--config-dir={tmp_path}", "plugins=[json.tool,email]", "~a"]
    made = read_arguments(words)
    assert made.words == words and made.overrides == ["finetune=unet", "~a"]
    assert made.multirun and made.shows == []
    assert os.environ[OWN] == str(tmp_path) and plugins.trusted() == ["json.tool", "email"]
    read_arguments(["--config-dir", "elsewhere", "--cfg", "job", "a=1"])
    assert os.environ[OWN] == "elsewhere"
    assert read_arguments(["--cfg", "job", "a=1"]).shows == ["--cfg", "job"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--foo"], "--foo: unknown option; values are given as key=value"),
        (["--config-dir"], "--config-dir: name the folder"),
        (["--config-dir="], "--config-dir: name the folder"),
        (["plugins=[no_such_package]"], r"plugins=\[no_such_package\]: no such package; install"),
        (["plugins=os;rm"], r"plugins=\[os;rm\]: no such package"),
    ],
)
def test_wrong_options_are_told(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_arguments(words)


@pytest.mark.parametrize(
    "override, expected",
    [
        ("training.seed=1,2", "training.seed=1,2"),
        ("run_dir=a,[b]", "run_dir='a,[b]'"),
        ("run_dir='a,[b]'", "run_dir='a,[b]'"),
        ('run_dir="a b"', "run_dir='a b'"),
        ("run_dir=it's", "run_dir='it\\'s'"),
        ("run_dir=null", "run_dir=null"),
        ("run_dir=", "run_dir=''"),
        ("run_dir=out/${x}", "run_dir='out/\\${x}'"),
        ("run_dir=a\\", "run_dir='a\\\\'"),
        ("+dataset.data_dir=é=ü", "+dataset.data_dir='é=ü'"),
    ],
)
def test_texts_are_quoted_for_hydra(override: str, expected: str) -> None:
    assert quoted(override) == expected


def test_commas_separate_values_of_a_sweep_but_never_a_prompt() -> None:
    assert quoted("dataset.data_dir=a,b", sweeps=True) == "dataset.data_dir=a,b"
    assert quoted("dataset.data_dir='a,b'", sweeps=True) == "dataset.data_dir='a,b'"
    prompt = "evaluation.negative_prompt=blurry,dark"
    assert quoted(prompt, sweeps=True) == "evaluation.negative_prompt='blurry,dark'"

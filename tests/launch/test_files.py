"""Configuration files of a person's own."""

from pathlib import Path

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.launch import files
from sdexp.launch.compose import compose
from sdexp.recipes import build_recipes


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of own files, with signs in its name that a shell and Hydra might read."""
    folder = tmp_path / "my [conf], it's ü=1"
    for group in ("experiment", "optimizer"):
        (folder / group).mkdir(parents=True)
    monkeypatch.setenv(files.OWN, str(folder))
    return folder


def test_own_options_stand_beside_those_of_the_package(own: Path) -> None:
    (own / "optimizer" / "adam.yaml").write_text("_target_: torch.optim.Adam\nlr: 0.5\n")
    (own / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /optimizer: adam\ntraining:\n  seed: 7\n"
    )
    config = compose("train", ["experiment=mine", "finetune=unet"]).config
    assert config.training.seed == 7 and config.optimizer._target_ == "torch.optim.Adam"
    build_recipes(compose("train", ["optimizer=adam"]).config)
    assert "adam" in files.options("optimizer") and "adamw" in files.options("optimizer")
    with pytest.raises(ConfigError, match="optimizer=adan: no such option; did you mean 'adam'"):
        compose("train", ["optimizer=adan"])


WRONG = {
    b"\xef\xbb\xbf# @package _global_\ntraining:\n  seed: 3\n": "begins with a byte order mark",
    b"training:\n  seed: 7\n": "its first line must be `# @package _global_`",
    b"": "holds no `key: value`",
    b"# @package _global_\n7\n": "holds no `key: value`",
    b"# @package _global_\n- a\n": "holds no `key: value`",
    b"# caf\xe9\n": "is no UTF-8",
    b"# @package _global_\na: [1\n": "line 3: no valid YAML",
    b"# @package _global_\na: \x00\n": "no valid YAML",
    b"# @package _global_\ndefaults:\n  - mine\n": "names itself in its defaults list",
}


@pytest.mark.parametrize("data", WRONG)
def test_what_cannot_be_used_is_told_with_its_name(own: Path, data: bytes) -> None:
    file = own / "experiment" / "mine.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        compose("train", ["experiment=mine"])
    message = str(caught.value)
    assert WRONG[data] in message and "mine" in message and "\n" not in message


def test_a_folder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.OWN, "absent")
    with pytest.raises(ConfigError, match=r"--config-dir=absent \(SDEXP_CONFIG_DIR\): no such"):
        compose("train", [])


def test_an_own_file_never_hides_behind_one_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "adamw.yaml").write_text("lr: 1.0\n")
    monkeypatch.setenv(files.OWN, str(tmp_path))
    with pytest.raises(ConfigError, match=r"the package has optimizer=adamw too; rename yours"):
        compose("train", ["optimizer=adamw"])

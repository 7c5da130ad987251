"""Parts of a person's own, only from packages that the command line names."""

import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sdexp.ground import plugins
from sdexp.ground.build import build
from sdexp.ground.errors import ConfigError
from sdexp.objective.base import AbstractObjective

CODE = """
from dataclasses import dataclass
from sdexp.objective.denoising import Denoising

@dataclass(frozen=True)
class Louder(Denoising):
    factor: float

    def __call__(self, *arguments):
        return self.factor * super().__call__(*arguments)

class NoPart:
    pass
"""
NODE = {
    "_target_": "my_objectives.Louder",
    "snr_gamma": None,
    "noise_offset": 0.0,
    "caption_dropout_rate": 0.1,
    "input_perturbation": 0.0,
    "loss_type": "l2",
    "huber_schedule": "snr",
    "huber_c": 0.1,
    "factor": 2,
}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_objectives.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(plugins.VARIABLE, "")
    sys.modules.pop("my_objectives", None)


def test_an_own_part_is_built_once_its_package_is_named() -> None:
    with pytest.raises(ConfigError, match=r"not a part; .*plugins=\[PACKAGE\] adds a package"):
        build("objective", OmegaConf.create(NODE), AbstractObjective)
    assert "my_objectives" not in sys.modules, "nothing is imported before it is trusted"
    plugins.trust(["my_objectives"])
    made = build("objective", OmegaConf.create(NODE), AbstractObjective)
    assert type(made).__name__ == "Louder" and made.factor == 2.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["NoPart", "dataclass", "absent"])
def test_only_parts_of_it_are_taken(name: str) -> None:
    plugins.trust(["my_objectives"])
    with pytest.raises(ConfigError, match="not a part"):
        node = OmegaConf.create(NODE | {"_target_": f"my_objectives.{name}"})
        build("objective", node, AbstractObjective)


def test_a_module_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    (tmp_path / "my_objectives.py").write_text("import there_is_no_such_module")
    plugins.trust(["my_objectives"])
    with pytest.raises(ConfigError, match=r"cannot be imported \(No module named 'there_is_no"):
        build("objective", OmegaConf.create(NODE), AbstractObjective)


def test_a_name_that_only_begins_alike_is_not_trusted() -> None:
    plugins.trust(["json"])
    with pytest.raises(ConfigError, match="not a part"):
        build("objective", OmegaConf.create(NODE | {"_target_": "jsonx.X"}), AbstractObjective)
    with pytest.raises(ConfigError, match="no such package"):
        plugins.trust(["no such thing"])

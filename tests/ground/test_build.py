from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sdexp.ground.build import (
    SECTIONS,
    build,
    did_you_mean,
    escaped,
    plain,
    read_config,
    read_run_config,
    typed,
    write_config,
)
from sdexp.ground.errors import ConfigError
from sdexp.launch.roots import TrainRoot
from sdexp.objective.base import AbstractObjective
from sdexp.objective.denoising import Denoising, HuberSchedule, LossType

NODE = {
    "_target_": "sdexp.objective.denoising.Denoising",
    "snr_gamma": None,
    "noise_offset": 0.1,
    "caption_dropout_rate": 0,
    "input_perturbation": 0.0,
    "loss_type": "l2",
    "huber_schedule": "snr",
    "huber_c": 0.1,
}


def test_a_part_is_built_with_the_types_of_its_fields() -> None:
    made = build("objective", OmegaConf.create(NODE), AbstractObjective)
    assert made == Denoising(0.0, None, 0.1, 0.0, LossType.l2, HuberSchedule.snr, 0.1)
    assert isinstance(made.caption_dropout_rate, float)


def test_every_missing_and_unknown_option_is_told() -> None:
    node = OmegaConf.create({**NODE, "noise_ofset": 1})
    del node["noise_offset"]
    with pytest.raises(ConfigError) as caught:
        build("objective", node, AbstractObjective)
    assert str(caught.value).splitlines() == [
        "objective.noise_ofset: Denoising has no option 'noise_ofset'; "
        "did you mean 'noise_offset'?",
        "objective.noise_offset: a value is missing; set objective.noise_offset=...",
    ]


@pytest.mark.parametrize(
    "target",
    ["os.system", "sdexp.objective.base.AbstractObjective", "sdexp.objective.denoising.math",
     "sdexp.objective.denoising.AbstractObjective", "sdexp.objective.absent.X", "sdexp", "",
     "sdexp.finetune.whole.Whole", "torch.nn.Linear", "sdexp.ground.run.json.loads"],
)  # fmt: skip
def test_what_resolves_to_no_part_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match="not a part"):
        build("objective", OmegaConf.create({**NODE, "_target_": target}), AbstractObjective)


def test_a_plain_mapping_is_no_part() -> None:
    with pytest.raises(ConfigError, match="no part is chosen; .* names its class in a line"):
        build("objective", OmegaConf.create({"a": 1}), AbstractObjective)


@dataclass
class Section:
    steps: int
    rate: float | None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"section.steps={self.steps}: allowed is 1 or more")


def test_sections_are_checked_by_type_and_range() -> None:
    assert typed("section", Section, {"steps": 3, "rate": None}) == Section(3, None)
    for values, message in (
        ({"steps": "x", "rate": None}, "section.steps: Value 'x'"),
        ({"steps": 0, "rate": None}, "section.steps=0: allowed is 1 or more"),
        ({"steps": 1, "rate": None, "tsep": 1}, "section.tsep: no such key"),
        ({"steps": True, "rate": None}, "section.steps=true: allowed is a number"),
        ({"steps": 1, "rate": False}, "section.rate=false: allowed is a number"),
    ):
        with pytest.raises(ConfigError, match=message):
            typed("section", Section, values)


def test_a_configuration_is_written_resolved_and_read_back(tmp_path: Path) -> None:
    config = OmegaConf.create({"a": {"b": 1}, "c": "${a.b}"})
    write_config(tmp_path / "config.yaml", config)
    assert read_config(tmp_path / "config.yaml") == {"a": {"b": 1}, "c": 1}
    (tmp_path / "config.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        read_config(tmp_path / "config.yaml")


def test_hints() -> None:
    assert did_you_mean("unett", ["unet", "lora"]) == "did you mean 'unet'?"
    assert did_you_mean("xyz", ["unet", "lora"]) == "allowed: lora, unet"


def test_every_section_of_a_run_is_looked_for(tmp_path: Path) -> None:
    assert set(SECTIONS) == {field.name for field in fields(TrainRoot)}
    for text in ("", "[1, 2]", "3", "\x00\x01", "model:\n  seed: 1\n"):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"config\.yaml: ") as caught:
            read_run_config(tmp_path / "config.yaml")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["q/${now:}", "a${}b", "\\\\${x}", "plain", "a: [${y}"])
def test_signs_of_an_interpolation_in_a_text_are_written_as_text(text: str, tmp_path: Path) -> None:
    config = OmegaConf.create({"a": [escaped(text)], "b": "${a}"})
    assert config.a[0] == text
    write_config(tmp_path / "config.yaml", config)
    assert plain(read_config(tmp_path / "config.yaml")) == {"a": [text], "b": [text]}


def test_a_text_with_signs_of_an_interpolation_reaches_the_part_as_it_is() -> None:
    @dataclass
    class Texts:
        prompt: str
        words: list[str]

    node = OmegaConf.create({"prompt": r"a \${x}", "words": [r"\${now:}"]})
    for values in (node, {"prompt": "a ${x}", "words": ["${now:}"]}):
        assert typed("texts", Texts, values) == Texts("a ${x}", ["${now:}"])

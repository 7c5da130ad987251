"""The door of exports."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sdexp import export, train
from sdexp.ground.run import RunFolder

RUN = ["debug=fast", "evaluation=none", "tracker=none", "run_dir=r", "training.max_train_steps=2"]


@pytest.fixture
def run(empty_folder: Path) -> Path:
    assert train.main(RUN) == 0
    return empty_folder / "r"


def test_a_run_is_exported_with_its_card(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for form, file in (("kohya", "lora.safetensors"), ("pipeline", "model_index.json")):
        assert export.main(["run=r", f"format={form}"]) == 0
        assert (run / "export" / form / file).is_file()
        assert "Not evaluated" in (run / "export" / form / "README.md").read_text()
    assert export.main(["run=r", "format=diffusers", "checkpoint=2"]) == 0
    made = run / "export" / "diffusers-000002" / "pytorch_lora_weights.safetensors"
    expected = load_file(run / "weights" / made.name)
    assert made.is_file() and load_file(made).keys() == expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in load_file(made).items())
    assert export.main(["run=r", "format=kohya"]) == 2
    assert "is there already" in capfd.readouterr().err


def test_what_cannot_be_exported_leaves_nothing(
    empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "format: a value is missing" in _fault(capfd, "run=r")
    assert "format=kohy: Invalid value" in _fault(capfd, "run=r", "format=kohy")
    assert "no run folder" in _fault(capfd, "run=r", "format=kohya")
    assert train.main([*RUN, "finetune=unet"]) == 0
    capfd.readouterr()
    assert "trained whole networks (unet)" in _fault(capfd, "run=r", "format=peft")
    assert not (empty_folder / "r" / "export" / "peft").exists()


def test_what_a_killed_command_left_does_not_count(run: Path) -> None:
    half = RunFolder(run).half_export("kohya")
    half.mkdir(parents=True)
    (half / "lora.safetensors").write_bytes(b"half")
    (half / "other").touch()
    assert export.main(["run=r", "format=kohya"]) == 0
    assert sorted(path.name for path in (run / "export").iterdir()) == ["kohya"]
    names = sorted(path.name for path in (run / "export" / "kohya").iterdir())
    assert names == ["README.md", "lora.safetensors"]


def _fault(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert export.main([*words]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]

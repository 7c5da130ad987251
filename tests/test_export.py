"""The door of exports."""

from pathlib import Path

import pytest

from sdexp import export, train

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


def _fault(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert export.main([*words]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]

"""What a checkpoint may be, told before it is loaded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sdexp.ground.errors import DataError
from sdexp.model.checkpoint import Weights, conversion
from sdexp.model.stable_diffusion import StableDiffusion
from tests.checkpoints import recipe


def test_a_pickle_is_refused_with_a_line_that_converts_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a pickle can run any code; convert it: python -c"):
        recipe(str(tmp_path / "model.ckpt"))
    torch.save(
        {"state_dict": {"a": torch.ones(2).expand(3, 2), "step": 7}}, tmp_path / "model.ckpt"
    )
    line = conversion(str(tmp_path / "model.ckpt")).removeprefix("convert it: python")
    subprocess.run(f"{sys.executable} {line}", shell=True, check=True, cwd=tmp_path)
    from safetensors.torch import load_file

    assert load_file(tmp_path / "model.safetensors")["a"].shape == (3, 2)


def test_a_card_that_contradicts_the_scheduler_is_told(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["sd1"], tmp_path / "m"))
    assert recipe(str(folder)).warnings() == []
    (folder / "README.md").write_text("# A model\nTrained with v-prediction on shapes.")
    (line,) = recipe(str(folder)).warnings()
    assert "its card speaks of v-prediction and its scheduler says epsilon" in line
    other = Path(shutil.copytree(folders["sd2"], tmp_path / "v"))
    (other / "README.md").write_text("v_prediction")
    assert recipe(str(other)).warnings() == []


def test_wrong_values_are_told() -> None:
    with pytest.raises(ValueError, match="model.architecture=sd9: allowed is sd1, sd2, "):
        recipe(architecture="sd9")
    with pytest.raises(DataError, match="absent.safetensors: no such file"):
        recipe("/absent.safetensors").check()


def test_random_weights_need_no_file_and_are_no_evidence() -> None:
    chosen = recipe("owner/not-here", weights=Weights.random)
    chosen.check()
    assert chosen.may_be_evaluated and recipe().may_be_evaluated
    plain = StableDiffusion("owner/not-here", None, None, Weights.random, "sd1", False, False)
    assert not plain.may_be_evaluated

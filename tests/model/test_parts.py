"""Networks of folders and at random."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from sdexp.ground.errors import DataError
from sdexp.model import architecture
from sdexp.model.parts import folder_parts, random_parts
from sdexp.model.stable_diffusion import StableDiffusion
from sdexp.model.stable_diffusion_xl import StableDiffusionXL
from tests.checkpoints import recipe


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_another_family_is_refused_by_its_name(folders: dict[str, Path], family: str) -> None:
    other = {"sd1": StableDiffusionXL, "sdxl": StableDiffusion}[family]
    told = {
        "sd1": "holds a StableDiffusionPipeline without text_encoder_2",
        "sdxl": "holds a StableDiffusionXLPipeline with text_encoder_2",
    }
    with pytest.raises(DataError, match=f"{told[family]}, which is another family; choose"):
        recipe(str(folders[family]), other, family).load("cpu")


def test_a_network_for_inpainting_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["sd1"], tmp_path / "sd1"))
    unet = architecture.network_kinds()["unet"]
    config = json.loads((folder / "unet" / "config.json").read_text()) | {"in_channels": 9}
    unet.from_config(config).save_pretrained(folder / "unet")
    with pytest.raises(DataError, match="its U-Net reads 9 channels, as for inpainting"):
        folder_parts(str(folder), None, None, ("text_encoder",))


def test_random_weights_are_the_same_each_time_and_touch_no_other_chance(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdexp.model.architecture.CONFIGS", folders["sd1"].parent)
    monkeypatch.setattr("sdexp.model.parts.CONFIGS", folders["sd1"].parent)
    torch.manual_seed(5)
    first = random_parts("sd1", ("text_encoder",))
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    again = random_parts("sd1", ("text_encoder",))
    for name, network in first.networks.items():
        for key, tensor in network.state_dict().items():
            assert torch.equal(tensor, again.networks[name].state_dict()[key]), f"{name}.{key}"
            assert not network.training
    assert first.tokenizers.keys() == {"tokenizer"}
    assert first.scheduler["prediction_type"] == "epsilon"

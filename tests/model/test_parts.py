"""Networks of folders and at random."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.ground.errors import DataError
from sdexp.model import architecture
from sdexp.model.parts import folder_parts, random_parts
from sdexp.model.stable_diffusion import StableDiffusion
from sdexp.model.stable_diffusion_xl import StableDiffusionXL
from tests.checkpoints import recipe
from tests.mutations import Mutations


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


@pytest.mark.parametrize("network", ["unet", "text_encoder"])
def test_mutated_originals_are_loaded_right_or_refused(
    network: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["sd1"], tmp_path / "sd1"))
    (file,) = (folder / network).glob("*.safetensors")
    mutations = Mutations(file)
    outcomes = {"loaded": 0, "refused": 0}
    for number in range(18):
        mutations.write(number)
        try:
            model = recipe(str(folder)).load("cpu")
        except DataError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
        else:
            own = model.modules()[network].state_dict()
            assert all(torch.equal(t.float(), own[k]) for k, t in load_file(file).items())
            outcomes["loaded"] += 1
    assert outcomes["loaded"] > 1 and outcomes["refused"] > 9, outcomes


def test_what_is_no_weights_is_called_so(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["sd1"], tmp_path / "sd1"))
    for network in ("unet", "text_encoder"):
        (file,) = (folder / network).glob("*.safetensors")
        whole = file.read_bytes()
        file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n")
        with pytest.raises(DataError, match=rf"{file.name}: a git-LFS pointer, not the weights"):
            recipe(str(folder)).load("cpu")
        file.write_bytes(whole)
    tensors = load_file(file)
    first = next(iter(tensors))
    save_file(
        tensors | {first: torch.full_like(tensors[first], float("nan"))}, file, {"format": "pt"}
    )
    with pytest.raises(DataError, match=f"text_encoder: .*{first}.* no finite numbers"):
        recipe(str(folder)).load("cpu")

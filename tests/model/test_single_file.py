"""One file in the original layout, against the folder that it was made from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.ground.errors import DataError
from sdexp.model import architecture
from sdexp.model.parts import folder_parts
from sdexp.model.single_file import family_of, read_single_file
from tests.checkpoints import KINDS, recipe, tiny_checkpoint
from tests.original_layout import write_original

FAMILIES = ("sd1", "sd2", "sdxl")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A file of each family; the architectures are those of the small checkpoints."""
    configs = {family: tiny_checkpoint(tmp_path / "c" / family, family) for family in FAMILIES}
    for module in ("architecture", "single_file", "parts"):
        monkeypatch.setattr(f"sdexp.model.{module}.CONFIGS", tmp_path / "c")
    files = {}
    for family, folder in configs.items():
        parts = folder_parts(str(folder), None, None, KINDS[family].encoders)
        files[family] = tmp_path / f"{family}.safetensors"
        write_original(files[family], parts.networks)
    return files


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_gives_the_networks_of_its_folder(small: dict[str, Path], family: str) -> None:
    kind = KINDS[family]
    expected = folder_parts(str(architecture.CONFIGS / family), None, None, kind.encoders)
    model = recipe(str(small[family]), kind, family).load("cpu")
    assert model.modules().keys() == expected.networks.keys()
    for name, network in expected.networks.items():
        own = model.modules()[name].state_dict()
        assert own.keys() == network.state_dict().keys()
        for key, tensor in network.state_dict().items():
            assert torch.equal(own[key], tensor), f"{name}.{key}"
    # All real: nothing was left without memory.
    assert not any(p.is_meta for m in model.modules().values() for p in m.parameters())


def test_another_family_is_refused_by_its_name(small: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="of Stable Diffusion XL, not of Stable Diffusion 1; ch"):
        recipe(str(small["sdxl"]), KINDS["sd1"], "sd1").load("cpu")
    with pytest.raises(DataError, match="of Stable Diffusion 1, not of Stable Diffusion 2; ch"):
        recipe(str(small["sd1"]), KINDS["sd2"], "sd2").load("cpu")


def test_a_file_that_is_not_whole_is_refused(small: dict[str, Path], tmp_path: Path) -> None:
    names = ("unet", "vae", "text_encoder")
    tensors = load_file(small["sd1"])
    lost = "model.diffusion_model.middle_block.1.proj_in.weight"
    save_file({k: t for k, t in tensors.items() if k != lost}, tmp_path / "lacks.safetensors")
    with pytest.raises(DataError, match="unet: 1 tensors missing and 0 unexpected .*mid_block"):
        read_single_file(tmp_path / "lacks.safetensors", "sd1", names)
    unet = {k: t for k, t in tensors.items() if "diffusion_model" in k}
    save_file(unet, tmp_path / "unet.safetensors")
    with pytest.raises(DataError, match="no whole checkpoint in the original layout"):
        read_single_file(tmp_path / "unet.safetensors", "sd1", names)


def test_every_architecture_has_a_family() -> None:
    families = {name: family_of(name) for name in architecture.architectures()}
    assert families["sd_turbo"] == families["sd2"] == "Stable Diffusion 2"
    assert families["sdxl_turbo"] == families["sdxl"] == "Stable Diffusion XL"
    assert families["sd1"] == "Stable Diffusion 1" and len(families) == 6

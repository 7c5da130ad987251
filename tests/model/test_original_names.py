from pathlib import Path

import pytest

from sdexp.model.original_names import original_name
from tests.checkpoints import of
from tests.original_layout import unet_name


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_every_layer_has_the_name_that_its_file_has(folders: dict[str, Path], family: str) -> None:
    """Against names that are made in another way, and that diffusers reads back."""
    unet = of(folders, family).load("cpu").modules()["unet"]
    names = [key.removesuffix(".weight") for key in unet.state_dict() if key.endswith(".weight")]
    layers = [name for name in names if "norm" not in name]
    found = {name: original_name(unet.config, name) for name in layers}
    assert found == {name: unet_name(unet, f"{name}.").rstrip(".") for name in layers}
    assert len(set(found.values())) == len(layers) > 100

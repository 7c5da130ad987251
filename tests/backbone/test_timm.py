"""Networks of timm: their own features, every tensor loaded, and nothing random by chance."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sdexp.backbone.timm import LoadedTimm, Timm
from sdexp.ground.assets import located
from sdexp.ground.errors import ConfigError, DataError
from tests.shared import shared

NAME = "tf_efficientnet_lite0"
ESPRESSO = 967


@pytest.fixture(scope="module")
def network() -> LoadedTimm:
    loaded = Timm(NAME, "efficientnet_lite0", False).start("cpu")
    assert isinstance(loaded, LoadedTimm)
    return loaded


def pictures(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(count, 64, 80, 3), dtype=np.uint8)


def test_features_are_those_of_timm(network: LoadedTimm) -> None:
    import timm
    from timm.data import create_transform, resolve_data_config

    plain = timm.create_model(NAME, pretrained=False, num_classes=0).eval()
    weights = load_file(f"{located('efficientnet_lite0')}/model.safetensors")
    plain.load_state_dict(weights, strict=False)
    prepare = create_transform(**resolve_data_config({}, model=plain))
    with torch.inference_mode():
        expected = plain(torch.stack([prepare(Image.fromarray(one)) for one in pictures()]))
    found = network.images(pictures())
    assert found.shape == (4, 1280) and found.dtype == np.float64
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_it_knows_what_it_sees(network: LoadedTimm) -> None:
    (file,) = shared("photos/train").glob("coffee*")
    with torch.inference_mode():
        shares = network.network(network.prepare(Image.open(file).convert("RGB"))[None]).softmax(-1)
    assert int(shares.argmax()) == ESPRESSO and float(shares.max()) == pytest.approx(0.95, abs=0.01)


def test_features_do_not_depend_on_the_batch(network: LoadedTimm) -> None:
    whole = network.images(pictures())
    np.testing.assert_allclose(network.images(pictures()[2:3]), whole[2:3], atol=1e-5)
    np.testing.assert_allclose(network.images(pictures()[::-1])[::-1], whole, atol=1e-5)


def test_the_width_is_known_without_weights() -> None:
    assert Timm(NAME, "absent", False).width == 1280


def test_random_weights_are_asked_for_and_said() -> None:
    with pytest.raises(ValueError, match="would be random weights; name weights, or set"):
        Timm(NAME, None, False)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first, second = (Timm(NAME, None, True).start("cpu") for _ in range(2))
    assert torch.rand(1) == expected, "nobody else misses a random number"
    assert first.name == f"{NAME} (random weights)" and first.sha256 == second.sha256


def test_a_file_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    tensors = load_file(shutil.copy(f"{located('efficientnet_lite0')}/model.safetensors", file))
    del tensors["bn2.weight"]
    save_file(tensors | {"extra": torch.zeros(1)}, file)
    with pytest.raises(DataError, match="1 tensors missing and 1 unexpected .first: bn2.weight"):
        Timm(NAME, str(tmp_path), False).start("cpu")


def test_an_unknown_architecture_is_told() -> None:
    with pytest.raises(ConfigError, match="architecture=resnet_of_mine: timm has no such network"):
        Timm("resnet_of_mine", None, True).start("cpu")


def test_the_hash_sees_weights_and_settings(network: LoadedTimm) -> None:
    other = Timm("tf_efficientnet_lite1", None, True).start("cpu")
    again = LoadedTimm("x", network.network, {"mean": 0.4}, network.prepare)
    assert len({network.sha256, other.sha256, again.sha256}) == 3

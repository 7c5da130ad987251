"""LPIPS against the package, the published values, and what it refuses."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sdexp.backbone.alexnet import AlexNet, LoadedAlexNet
from sdexp.ground.assets import located
from sdexp.ground.errors import DataError
from tests.shared import shared


@pytest.fixture(scope="module")
def alexnet() -> LoadedAlexNet:
    loaded = AlexNet("alexnet").start("cpu")
    assert isinstance(loaded, LoadedAlexNet)
    return loaded


def pictures(count: int = 6, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(count, side, side, 3), dtype=np.uint8)


@pytest.fixture
def published() -> torch.nn.Module:
    """The package's own network over torchvision's trunk, put together by hand."""
    import lpips
    from torchvision.models import alexnet

    trunk = alexnet()
    trunk.load_state_dict(load_file(f"{located('alexnet')}/model.safetensors"), strict=False)
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    children = [layer for part in list(network.net.children())[:5] for layer in part]
    for mine, theirs in zip(children, trunk.features, strict=False):
        mine.load_state_dict(theirs.state_dict())
    return network


def test_the_published_values(alexnet: LoadedAlexNet) -> None:
    folder = shared("lpips")
    names = ("ref", "p0", "p1")
    ref, p0, p1 = (
        np.asarray(Image.open(folder / f"ex_{name}.png"))[None, ..., :3] for name in names
    )
    assert alexnet.pairs(ref, p0) == pytest.approx(0.722, abs=5e-4)
    assert alexnet.pairs(ref, p1) == pytest.approx(0.138, abs=5e-4)


def test_distances_are_those_of_the_package(
    alexnet: LoadedAlexNet, published: torch.nn.Module
) -> None:
    left, right = pictures(), pictures()[::-1]
    signed = [torch.tensor(one.copy()).permute(0, 3, 1, 2) / 127.5 - 1 for one in (left, right)]
    with torch.inference_mode():
        expected = published(*signed).flatten().numpy()
    np.testing.assert_allclose(alexnet.pairs(left, right), expected, atol=1e-6)


def test_equal_pictures_are_0_apart_and_noise_moves_them(alexnet: LoadedAlexNet) -> None:
    noise, grey = pictures(), np.full_like(pictures(), 128)
    assert not alexnet.pairs(noise, noise.copy()).any()
    means = [
        alexnet.pairs((grey * (1 - share) + noise * share).astype(np.uint8), grey).mean()
        for share in (0.1, 0.4, 1.0)
    ]
    assert 0 < means[0] < means[1] < means[2]


def test_distances_do_not_depend_on_the_batch(alexnet: LoadedAlexNet) -> None:
    left, right = pictures(), pictures()[::-1].copy()
    whole = alexnet.pairs(left, right)
    assert whole.dtype == np.float64 and whole.shape == (6,)
    np.testing.assert_allclose(alexnet.pairs(left[2:3], right[2:3]), whole[2:3], atol=1e-5)
    np.testing.assert_allclose(alexnet.pairs(left[::-1], right[::-1])[::-1], whole, atol=1e-5)


def test_pictures_must_match_and_be_large_enough(alexnet: LoadedAlexNet) -> None:
    with pytest.raises(ValueError, match="pictures of shape"):
        alexnet.pairs(pictures(), pictures(2))
    with pytest.raises(ValueError, match="30 x 30 pixels; LPIPS needs 31"):
        alexnet.pairs(pictures(side=30), pictures(side=30))
    alexnet.pairs(pictures(side=31), pictures(side=31))
    with pytest.raises(ValueError, match="must be uint8"):
        alexnet.pairs(pictures() / 255, pictures() / 255)


def test_loading_draws_no_random_number_and_warns_of_nothing() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    AlexNet("alexnet").start("cpu")
    assert torch.rand(1) == expected


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(
        shutil.copy(f"{located('alexnet')}/model.safetensors", tmp_path / "trunk.safetensors")
    )


def test_the_place_counts_for_nothing(alexnet: LoadedAlexNet, copied: Path) -> None:
    assert AlexNet(str(copied)).start("cpu").sha256 == alexnet.sha256


def test_other_weights_are_no_lpips(copied: Path) -> None:
    tensors = load_file(copied)
    save_file(tensors | {"features.0.bias": tensors["features.0.bias"] + 1e-3}, copied)
    with pytest.raises(DataError, match="not the ImageNet weights of LPIPS"):
        AlexNet(str(copied)).start("cpu")


def test_heads_or_half_a_trunk_are_refused(copied: Path) -> None:
    tensors = load_file(copied)
    save_file({"lin0.model.1.weight": torch.zeros(1, 64, 1, 1)}, copied)
    with pytest.raises(DataError, match="10 tensors missing and 1 unexpected"):
        AlexNet(str(copied)).start("cpu")
    del tensors["features.8.bias"]
    save_file(tensors, copied)
    with pytest.raises(DataError, match=r"1 tensors missing .*first: slice4.8.bias"):
        AlexNet(str(copied)).start("cpu")
    copied.write_bytes(b"<html>")
    with pytest.raises(DataError, match="damaged|a page of HTML"):
        AlexNet(str(copied)).start("cpu")


def test_what_is_missing_is_told_before() -> None:
    with pytest.raises(DataError, match="backbone.alexnet=absent: no such folder"):
        AlexNet("absent").check("backbone.alexnet", False)
    AlexNet("alexnet").check("backbone.alexnet", False)

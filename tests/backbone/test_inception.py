"""The network of FID against torch-fidelity and torchmetrics, with the same random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sdexp.backbone.inception import (
    Inception,
    LoadedInception,
    Resize,
    _cached,
    new_network,
    resized,
)
from sdexp.ground.errors import DataError
from sdexp.stats.distances import frechet_distance, kernel_distance


def pictures(seed: int = 0, count: int = 4) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return draws.integers(0, 256, size=(count, 64, 80, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random ones, normalised for such pictures, so that their features differ."""
    torch.manual_seed(0)
    network = new_network().train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    pixels = torch.from_numpy(pictures(9, 8)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        network((resized(pixels, Resize.legacy_tf) - 128) / 128)
    file = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def inception(weights: Path) -> LoadedInception:
    loaded = Inception(str(weights), Resize.legacy_tf, True).start("cpu")
    assert isinstance(loaded, LoadedInception)
    return loaded


def test_features_are_those_of_torch_fidelity(inception: LoadedInception, weights: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    plain = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(weights))
    (expected,) = plain(torch.from_numpy(pictures()).permute(0, 3, 1, 2))
    found = inception.images(pictures())
    assert found.shape == (4, 2048) and expected.std(dim=0).mean() > 0.1
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


@pytest.mark.slow
def test_distances_are_those_of_torchmetrics(weights: Path) -> None:
    """End to end in float64; without antialiasing torchmetrics resizes as TensorFlow 1."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import poly_mmd

    metric = FrechetInceptionDistance(
        feature_extractor_weights_path=str(weights), antialias=False
    ).set_dtype(torch.float64)
    sets = [pictures(seed, 8) for seed in (1, 2)]
    for is_real, one in zip((False, True), sets, strict=True):
        metric.update(torch.from_numpy(one).permute(0, 3, 1, 2), real=is_real)
    inception = Inception(str(weights), Resize.legacy_tf, True).start("cpu")
    assert isinstance(inception, LoadedInception)
    inception.network.double()
    made, real = (inception.images(one) for one in sets)
    assert frechet_distance(made, real) == pytest.approx(metric.compute().item(), rel=1e-6)
    expected = poly_mmd(torch.from_numpy(real), torch.from_numpy(made)).item()
    assert kernel_distance(made, real) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("side", [64, 299, 512])
def test_clean_is_pillows_bicubic(side: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, size=(side, side + 7, 3)).astype(np.float32)
    size = (299, 299)
    bands = [
        Image.fromarray(picture[..., c]).resize(size, Image.Resampling.BICUBIC) for c in range(3)
    ]
    expected = np.stack([np.asarray(band) for band in bands]).clip(0, 255)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None]
    found = resized(pixels, Resize.clean)[0].numpy()
    assert np.abs(found - expected).max() < 1e-2
    assert np.abs(resized(pixels, Resize.legacy_tf)[0].numpy() - expected).max() > (side != 299)


def test_the_resize_stands_in_name_and_hash(inception: LoadedInception, weights: Path) -> None:
    clean = Inception(str(weights), Resize.clean, True).start("cpu")
    assert clean.name == "inception-2015 (clean, random weights)"
    assert inception.name == "inception-2015 (legacy_tf, random weights)"
    assert clean.sha256 != inception.sha256
    assert not np.allclose(clean.images(pictures()), inception.images(pictures()), atol=1e-3)


def test_features_do_not_depend_on_the_batch(inception: LoadedInception) -> None:
    whole = inception.images(pictures())
    np.testing.assert_allclose(inception.images(pictures()[1:2]), whole[1:2], atol=1e-5)


def test_weights_that_are_not_the_published_ones_give_no_fid(weights: Path) -> None:
    with pytest.raises(DataError, match="not the published weights .sha256 6726825d"):
        Inception(str(weights), Resize.clean, False).start("cpu")


def test_torchvisions_network_is_another_one(tmp_path: Path) -> None:
    from torchvision.models import inception_v3

    torch.save(inception_v3(init_weights=False).state_dict(), tmp_path / "other.pth")
    with pytest.raises(DataError, match="tensors missing and .* unexpected .*AuxLogits"):
        Inception(str(tmp_path / "other.pth"), Resize.clean, True).start("cpu")


def test_a_file_that_is_none_is_never_read(tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    file.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="x.pth: not the published weights"):
        Inception(str(file), Resize.clean, False).start("cpu")


def test_what_is_missing_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="backbone.inception.*absent.pth: no such file"):
        Inception("absent.pth", Resize.clean, False).check("backbone.inception", False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        DataError, match=r"6726825d.pth \(91 MB\) is not on .*https://.*checkpoints"
    ):
        Inception(None, Resize.clean, False).check("backbone.inception", False)
    Inception(None, Resize.clean, True).check("backbone.inception", False)


def test_random_weights_need_no_file() -> None:
    first, second = (Inception(None, Resize.clean, True).start("cpu").sha256 for _ in range(2))
    assert first == second and Inception(None, Resize.clean, True).width == 2048


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", None])
def test_its_place_is_that_of_torch(
    variable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path))
    assert _cached().parent == Path(torch.hub.get_dir()) / "checkpoints"

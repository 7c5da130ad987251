"""DINOv2 against transformers, from a small random model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model

from sdexp.backbone.dinov2 import MEAN, STD, Dinov2, LoadedDinov2
from sdexp.ground.assets import located
from sdexp.ground.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28)
    path = tmp_path_factory.mktemp("dino")
    Dinov2Model(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def dino(folder: Path) -> LoadedDinov2:
    loaded = Dinov2(str(folder)).start("cpu")
    assert isinstance(loaded, LoadedDinov2)
    return loaded


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(3, 300, 260, 3), dtype=np.uint8)


def test_features_are_the_class_token_of_squashed_pictures(
    dino: LoadedDinov2, folder: Path
) -> None:
    model = Dinov2Model.from_pretrained(folder).eval()
    squashed = [
        Image.fromarray(one).resize((224, 224), Image.Resampling.BICUBIC) for one in pictures()
    ]
    pixels = torch.from_numpy(np.stack([np.asarray(one) for one in squashed])).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    with torch.inference_mode():
        expected = model((pixels / 255 - mean) / std).last_hidden_state[:, 0]
    found = dino.images(pictures())
    assert found.shape == (3, 16) and Dinov2(str(folder)).width == 16
    # Pillow rounds to whole grey levels.
    np.testing.assert_allclose(found, expected.numpy(), atol=0.02)


def test_features_do_not_depend_on_the_batch(dino: LoadedDinov2) -> None:
    whole = dino.images(pictures())
    np.testing.assert_allclose(dino.images(pictures()[1:2]), whole[1:2], atol=1e-5)


def test_a_model_with_random_tensors_is_refused(folder: Path, tmp_path: Path) -> None:
    model = Dinov2Model.from_pretrained(folder)
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["layernorm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="1 tensors missing"):
        Dinov2(str(tmp_path)).start("cpu")


def test_another_model_is_refused_as_what_it_is() -> None:
    with pytest.raises(DataError, match="holds a clip model; name one of type dinov2"):
        Dinov2(located("pocket-clip")).start("cpu")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="backbone.dinov2=.*: no such folder"):
        Dinov2(str(tmp_path / "absent")).check("backbone.dinov2", False)
    with pytest.raises(DataError, match="cannot be loaded"):
        Dinov2(str(tmp_path)).start("cpu")

"""The loader and feeder of CLIP."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sdexp.ground.errors import DataError
from sdexp.metric.clip import EmbeddingExtractor, load_clip


def test_model_is_loaded_once_in_float32_and_evaluation_mode(backbone: str) -> None:
    import torch

    clip = load_clip(backbone, "cpu")
    assert load_clip(backbone, "cpu") is clip
    assert clip.model.dtype == torch.float32
    assert not clip.model.training


def test_embeddings_do_not_depend_on_the_batch(
    backbone: str, pictures: np.ndarray, prompts: list[str]
) -> None:
    clip = load_clip(backbone, "cpu")
    images, texts = clip.embed_images(pictures), clip.embed_texts(prompts)
    assert images.shape == texts.shape == (40, 8)
    assert images.dtype == texts.dtype == np.float64
    np.testing.assert_allclose(clip.embed_images(pictures[::-1])[::-1], images, atol=1e-5)
    np.testing.assert_allclose(clip.embed_images(pictures[7:8])[0], images[7], atol=1e-5)
    np.testing.assert_allclose(clip.embed_texts(prompts[7:8])[0], texts[7], atol=1e-5)
    assert np.array_equal(clip.embed_images(pictures), images)


def test_long_captions_stay_distinct(backbone: str) -> None:
    clip = load_clip(backbone, "cpu")
    texts = clip.embed_texts(["abcdefgh" * 9, "hgfedcba" * 9, "hgfedcba" * 9 + " more"])
    assert np.abs(texts[0] - texts[1]).max() > 1e-3
    np.testing.assert_allclose(texts[1], texts[2], atol=1e-6)


def test_float_pictures_are_refused(backbone: str, pictures: np.ndarray) -> None:
    clip = load_clip(backbone, "cpu")
    for wrong in (pictures / 255, pictures[0], pictures[..., :1], pictures[:0]):
        with pytest.raises(ValueError, match="must be uint8"):
            clip.embed_images(wrong)
        with pytest.raises(ValueError, match="must be uint8"):
            clip.patch_layers(wrong)


def test_extractor_gives_the_embeddings(backbone: str, pictures: np.ndarray) -> None:
    clip = load_clip(backbone, "cpu")
    features = EmbeddingExtractor(clip).features(pictures, [], None)
    assert np.array_equal(features, clip.embed_images(pictures))


@pytest.mark.parametrize(("pooled", "fits"), [(2, True), (5, False)])
def test_tokenizer_must_end_where_the_model_reads(
    backbone: str, tmp_path: Path, pooled: int, fits: bool
) -> None:
    folder = Path(shutil.copytree(backbone, tmp_path / "clip"))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = pooled
    (folder / "config.json").write_text(json.dumps(config))
    if fits:
        expected = load_clip(backbone, "cpu").embed_texts(["abc"])
        assert np.array_equal(load_clip(str(folder), "cpu").embed_texts(["abc"]), expected)
    else:
        with pytest.raises(DataError, match="reads token 5"):
            load_clip(str(folder), "cpu")

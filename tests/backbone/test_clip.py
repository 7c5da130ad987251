"""The loader and feeder of CLIP."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from sdexp.backbone.clip import Clip, LoadedClip
from sdexp.ground.errors import DataError


def load(folder: str | Path) -> LoadedClip:
    loaded = Clip(str(folder)).start("cpu")
    assert isinstance(loaded, LoadedClip)
    return loaded


@pytest.fixture(scope="module")
def clip(tiny_clip: str) -> LoadedClip:
    return load(tiny_clip)


@pytest.fixture
def pixels() -> np.ndarray:
    """Another size than the processor's."""
    return np.random.default_rng(0).integers(0, 256, size=(20, 48, 48, 3), dtype=np.uint8)


PROMPTS = ["abc def", "fed cba", "aaaa", "b c d e", "abc def"]


def test_the_model_is_in_float32_and_evaluation_mode(clip: LoadedClip) -> None:
    assert clip.model.dtype == torch.float32 and not clip.model.training


def test_embeddings_do_not_depend_on_the_batch(clip: LoadedClip, pixels: np.ndarray) -> None:
    images, texts = clip.images(pixels), clip.texts(PROMPTS)
    assert images.shape == (20, 8) and texts.shape == (5, 8)
    assert images.dtype == texts.dtype == np.float64
    np.testing.assert_allclose(clip.images(pixels[::-1])[::-1], images, atol=1e-5)
    np.testing.assert_allclose(clip.images(pixels[7:8])[0], images[7], atol=1e-5)
    np.testing.assert_allclose(clip.texts(PROMPTS[3:4])[0], texts[3], atol=1e-5)
    assert np.array_equal(clip.images(pixels), images)


def test_embeddings_are_those_of_transformers(tiny_clip: str, pixels: np.ndarray) -> None:
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(tiny_clip).eval()
    tokens = CLIPTokenizer.from_pretrained(tiny_clip)(PROMPTS, padding=True, return_tensors="pt")
    processor = CLIPImageProcessor.from_pretrained(tiny_clip)
    shown = processor(images=[Image.fromarray(p) for p in pixels], return_tensors="pt")
    with torch.inference_mode():
        images = model.get_image_features(**shown).pooler_output
        texts = model.get_text_features(**tokens).pooler_output
    clip = load(tiny_clip)
    np.testing.assert_allclose(clip.images(pixels), images.numpy(), atol=1e-5)
    np.testing.assert_allclose(clip.texts(PROMPTS), texts.numpy(), atol=1e-5)


def test_long_captions_stay_distinct(clip: LoadedClip) -> None:
    texts = clip.texts(["abcdefgh" * 9, "hgfedcba" * 9, "hgfedcba" * 9 + " more"])
    assert np.abs(texts[0] - texts[1]).max() > 1e-3
    np.testing.assert_allclose(texts[1], texts[2], atol=1e-6)


def test_captions_that_are_cut_are_counted(clip: LoadedClip) -> None:
    longest = clip.model.config.text_config.max_position_embeddings
    # Begin and end take a token each.
    fits = " ".join(["a"] * (longest - 2))
    assert clip.overlong([fits, f"{fits} a", "a", f"{fits} {fits}"]) == 2
    assert clip.overlong([fits]) == 0


def test_float_pictures_are_refused(clip: LoadedClip, pixels: np.ndarray) -> None:
    for wrong in (pixels / 255, pixels[0], pixels[..., :1], pixels[:0]):
        with pytest.raises(ValueError, match="must be uint8"):
            clip.images(wrong)


@pytest.mark.parametrize(("pooled", "fits"), [(2, True), (5, False)])
def test_tokenizer_must_end_where_the_model_reads(
    tiny_clip: str, tmp_path: Path, pooled: int, fits: bool
) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "clip"))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = pooled
    (folder / "config.json").write_text(json.dumps(config))
    if fits:
        assert np.array_equal(load(folder).texts(["abc"]), load(tiny_clip).texts(["abc"]))
    else:
        with pytest.raises(DataError, match="reads token 5"):
            load(folder)


def test_a_judge_with_random_tensors_is_refused(tiny_clip: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "clip"))
    tensors = load_file(folder / "model.safetensors")
    lost = sorted(tensors)[:3]
    kept = {name: tensor for name, tensor in tensors.items() if name not in lost}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=f"3 tensors missing .*first: {lost[0]}.* would be random"):
        load(folder)
    save_file(tensors | {"foreign": torch.ones(1)}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match="0 tensors missing and 1 unexpected"):
        load(folder)


def test_a_model_of_one_tower_is_refused_as_what_it_is(tiny_clip: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "clip"))
    config = CLIPTextConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    CLIPTextModel(config).save_pretrained(folder)
    with pytest.raises(DataError, match="holds a clip_text_model model; name one of type clip"):
        load(folder)


def test_the_hash_sees_weights_and_every_setting(
    clip: LoadedClip, tiny_clip: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "clip"))
    assert load(folder).sha256 == clip.sha256, "the place counts for nothing"
    seen = {clip.sha256}
    tensors = load_file(folder / "model.safetensors")
    tensors["logit_scale"] += 1e-3
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    seen.add(load(folder).sha256)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    for key, value in (("resample", 2), ("image_mean", [0.5, 0.5, 0.5])):
        (folder / "preprocessor_config.json").write_text(json.dumps(settings | {key: value}))
        seen.add(load(folder).sha256)
    assert len(seen) == 4


def test_what_is_missing_is_told_before_and_while_loading(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="evaluation.scorer=.*absent: no such folder"):
        Clip(str(tmp_path / "absent")).check("evaluation.scorer", False)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(DataError, match="cannot be loaded"):
        load(tmp_path)

"""The CLIP score against transformers' own model and processor."""

from pathlib import Path

import numpy as np
import pytest

from sdexp.backbone.base import PictureSet
from sdexp.backbone.clip import LoadedClip
from sdexp.engine.evaluate.features import Features
from sdexp.ground.store import Store
from sdexp.metric.clip_score import ClipScore

METRIC = ClipScore("clip", {"clip": 0.5})


def test_scores_agree_with_transformers(
    backbone: str, source: Features, pictures: PictureSet, prompts: list[str]
) -> None:
    import torch
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(backbone).eval()
    tokens = CLIPTokenizer.from_pretrained(backbone)(prompts, padding=True, return_tensors="pt")
    processor = CLIPImageProcessor.from_pretrained(backbone)
    shown = [Image.fromarray(picture) for picture in pictures.batch(slice(None))]
    pixels = processor(images=shown, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**tokens, **pixels).logits_per_image / model.logit_scale.exp()

    scores = METRIC.features(source, pictures, prompts, None)
    assert scores.shape == (40, 1)
    np.testing.assert_allclose(scores[:, 0], 100 * logits.diagonal().numpy(), atol=1e-4)
    assert METRIC.statistic(scores, scores[:0]) == pytest.approx(scores.mean())


def test_scores_are_not_clamped(
    source: Features, pictures: PictureSet, prompts: list[str], tmp_path: Path
) -> None:
    scores = METRIC.features(source, pictures, prompts, None)
    assert isinstance(source.backbone, LoadedClip)
    source.backbone.model.visual_projection.weight.data.neg_()
    turned = Features(source.backbone, Store(tmp_path / "other"), "cpu")
    negated = METRIC.features(turned, pictures, prompts, None)
    np.testing.assert_allclose(negated, -scores, atol=1e-9)
    assert min(scores.min(), negated.min()) < 0


def test_every_picture_needs_its_prompt(
    source: Features, pictures: PictureSet, prompts: list[str]
) -> None:
    with pytest.raises(ValueError, match="40 pictures and 39 prompts"):
        METRIC.features(source, pictures, prompts[1:], None)

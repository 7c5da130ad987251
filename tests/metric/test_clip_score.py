"""The CLIP score against transformers' own model and processor."""

import numpy as np
import pytest

from sdexp.metric.clip import load_clip
from sdexp.metric.clip_score import ClipScore


def test_scores_agree_with_transformers(
    backbone: str, pictures: np.ndarray, prompts: list[str]
) -> None:
    import torch
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(backbone).eval()
    tokens = CLIPTokenizer.from_pretrained(backbone)(prompts, padding=True, return_tensors="pt")
    processor = CLIPImageProcessor.from_pretrained(backbone)
    pixels = processor(images=[Image.fromarray(p) for p in pictures], return_tensors="pt")
    with torch.inference_mode():
        logits = model(**tokens, **pixels).logits_per_image / model.logit_scale.exp()

    metric = ClipScore(backbone)
    scores = metric.start("cpu").features(pictures, prompts, None)
    assert scores.shape == (40, 1)
    np.testing.assert_allclose(scores[:, 0], 100 * logits.diagonal().numpy(), atol=1e-4)
    assert metric.statistic(scores, scores[:0]) == pytest.approx(scores.mean())


def test_scores_are_not_clamped(backbone: str, pictures: np.ndarray, prompts: list[str]) -> None:
    extractor = ClipScore(backbone).start("cpu")
    model = load_clip(backbone, "cpu").model
    scores = extractor.features(pictures, prompts, None)
    weight = model.visual_projection.weight.data
    weight.neg_()
    negated = extractor.features(pictures, prompts, None)
    weight.neg_()
    np.testing.assert_allclose(negated, -scores, atol=1e-9)
    assert min(scores.min(), negated.min()) < 0


def test_every_picture_needs_its_prompt(
    backbone: str, pictures: np.ndarray, prompts: list[str]
) -> None:
    with pytest.raises(ValueError, match="40 pictures and 39 prompts"):
        ClipScore(backbone).start("cpu").features(pictures, prompts[1:], None)

"""LPIPS over CLIP's layers against a plain loop over pictures, layers and patches."""

import numpy as np
import pytest

from sdexp.metric.lpips import LpipsGt


def naive(backbone: str, made: np.ndarray, real: np.ndarray) -> float:
    import torch
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPModel

    model = CLIPModel.from_pretrained(backbone).eval()
    processor = CLIPImageProcessor.from_pretrained(backbone)
    states = []
    for picture in (made, real):
        pixels = processor(images=Image.fromarray(picture), return_tensors="pt")
        with torch.inference_mode():
            hidden = model.vision_model(**pixels, output_hidden_states=True).hidden_states
        states.append([layer[0].double().numpy() for layer in hidden])
    layers = []
    for layer in (1, 2, 3):
        patches = []
        for patch in range(1, 17):
            a, b = (state[layer][patch] for state in states)
            patches.append(np.sum((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2))
        layers.append(np.mean(patches))
    return float(np.mean(layers))


def test_distances_agree_with_the_formula(backbone: str, pictures: np.ndarray) -> None:
    metric = LpipsGt(backbone)
    distances = metric.start("cpu").features(pictures, [""] * 40, pictures[::-1].copy())
    assert distances.shape == (40, 1)
    for index in (0, 35):
        expected = naive(backbone, pictures[index], pictures[39 - index])
        assert distances[index, 0] == pytest.approx(expected, rel=1e-5)
    assert metric.statistic(distances, distances[:0]) == pytest.approx(distances.mean())


def test_equal_pictures_have_distance_zero(backbone: str, pictures: np.ndarray) -> None:
    distances = LpipsGt(backbone).start("cpu").features(pictures, [""] * 40, pictures.copy())
    assert not distances.any()


def test_distance_grows_with_noise(backbone: str, pictures: np.ndarray) -> None:
    extractor = LpipsGt(backbone).start("cpu")
    grey = np.full_like(pictures, 128)
    means = [
        extractor.features(
            (grey * (1 - noise) + pictures * noise).astype(np.uint8), [""] * 40, grey
        ).mean()
        for noise in (0.1, 0.4, 1.0)
    ]
    assert 0 < means[0] < means[1] < means[2] <= 4


def test_references_must_match(backbone: str, pictures: np.ndarray) -> None:
    extractor = LpipsGt(backbone).start("cpu")
    for wrong in (None, pictures[:1], pictures[:, :32]):
        with pytest.raises(ValueError, match="references of shape"):
            extractor.features(pictures, [""] * 40, wrong)
    with pytest.raises(ValueError, match="must be uint8"):
        extractor.features(pictures, [""] * 40, pictures / 255)

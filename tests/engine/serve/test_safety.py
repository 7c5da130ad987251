"""The published architecture of the checker with a few thousand random weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPVisionConfig

from sdexp.engine.serve.safety import SafetyChecker
from sdexp.ground.errors import DataError

SIDE = 32
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A folder with a checker whose concepts are found above these thresholds of the cosine."""

    def made(concepts: float, special: float, name: str = "checker") -> Path:
        vision = CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=SIDE, patch_size=8,
        )  # fmt: skip
        torch.manual_seed(0)
        checker = StableDiffusionSafetyChecker(
            CLIPConfig(vision_config=vision.to_dict(), projection_dim=8)
        )
        # The usual initial weights are so small that all pictures would look alike.
        for parameter in checker.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.3)
        with torch.no_grad():
            checker.concept_embeds.copy_(torch.randn(checker.concept_embeds.shape))
            checker.special_care_embeds.copy_(torch.randn(checker.special_care_embeds.shape))
            checker.concept_embeds_weights.fill_(concepts)
            checker.special_care_embeds_weights.fill_(special)
        checker.save_pretrained(tmp_path / name)
        return tmp_path / name

    return made


def picture(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def cosines(folder: Path, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the picture and each concept, and of each that asks for special care, by hand."""
    checker = StableDiffusionSafetyChecker.from_pretrained(folder)
    processor = CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    seen = processor(images=[pixels], return_tensors="pt").pixel_values
    with torch.no_grad():
        features = checker.visual_projection(checker.vision_model(seen)[1])
    found = []
    for embeds in (checker.concept_embeds, checker.special_care_embeds):
        said = embeds.detach()
        lengths = features.norm(dim=1)[:, None] * said.norm(dim=1)
        found.append((features @ said.T / lengths)[0].numpy())
    return found[0], found[1]


def test_a_picture_is_found_just_above_the_threshold_of_a_concept(make: Make) -> None:
    nearest = float(cosines(make(2, 2), picture())[0].max())
    above = SafetyChecker(str(make(nearest - 1e-3, 2, "above")), "cpu")
    below = SafetyChecker(str(make(nearest + 1e-3, 2, "below")), "cpu")
    shown = picture()
    assert above(shown) is True and below(shown) is False
    # It only says so: nothing is blackened here.
    assert np.array_equal(shown, picture())


def test_special_care_lowers_the_other_thresholds_by_a_hundredth(make: Make) -> None:
    concepts, special = cosines(make(2, 2), picture())
    nearest = float(concepts.max())
    care = float(special.max())
    careful = SafetyChecker(str(make(nearest + 5e-3, care - 1e-2, "careful")), "cpu")
    careless = SafetyChecker(str(make(nearest + 5e-3, care + 1e-2, "careless")), "cpu")
    assert careful(picture()) is True and careless(picture()) is False


def test_each_picture_has_an_answer_of_its_own(make: Make) -> None:
    folder = make(2, 2)
    nearest = [float(cosines(folder, picture(seed))[0].max()) for seed in range(8)]
    middle = float(np.median(nearest))
    checker = SafetyChecker(str(make(middle, 2, "middle")), "cpu")
    answers = [checker(picture(seed)) for seed in range(8)]
    assert answers == [value > middle for value in nearest] and len(set(answers)) == 2


def test_half_a_checker_is_refused(make: Make) -> None:
    folder = make(2, 2)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    lost = "concept_embeds"
    save_file({k: t for k, t in tensors.items() if k != lost}, file, {"format": "pt"})
    with pytest.raises(DataError, match=f"safety_checker=.*1 tensors missing .*first: {lost}"):
        SafetyChecker(str(folder), "cpu")


@pytest.mark.parametrize("fault", ["absent", "no safetensors"])
def test_what_cannot_be_loaded_is_told_in_one_line(fault: str, make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    if fault == "no safetensors":
        folder = make(2, 2)
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="safety_checker=.*: cannot be loaded") as told:
        SafetyChecker(str(folder), "cpu")
    assert len(str(told.value).splitlines()) == 1 and "set it to null" in str(told.value)


def test_a_file_that_is_none_is_refused_in_one_line(make: Make) -> None:
    folder = make(2, 2)
    (folder / "model.safetensors").write_bytes(b"garbage" * 100)
    with pytest.raises(DataError, match="safety_checker=.*cannot be loaded") as caught:
        SafetyChecker(str(folder), "cpu")
    assert "\n" not in str(caught.value)

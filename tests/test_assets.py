"""Floors of the shipped weights on held-out scenes; the README states what they reach."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPModel, CLIPTokenizer

from sdexp.dataset.pocket import Pocket
from sdexp.dataset.scenes import LOOKS, captions, draw, make_scene, name_look
from sdexp.ground.assets import ASSETS, WEIGHTS, located
from sdexp.ground.files import file_sha256
from sdexp.ground.sampling import Sampling
from sdexp.model.base import Draws
from tests.checkpoints import recipe

HELD_OUT = range(2_000_000, 2_000_500)
SHOWN_LOOKS = [look for look in LOOKS if look != "woodcut"]


def distinct(count: int) -> list[int]:
    """Held-out scenes with different full captions."""
    seeds: dict[str, int] = {}
    for seed in HELD_OUT:
        seeds.setdefault(captions(make_scene(seed))[0], seed)
    return list(seeds.values())[:count]


def signed(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def right_among_100(pictures: np.ndarray, texts: list[str]) -> float:
    """Share of pictures whose own caption scores best among 100 different ones."""
    folder = located("pocket-clip")
    clip = CLIPModel.from_pretrained(folder, dtype=torch.float32)
    tokens = CLIPTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = clip(pixel_values=signed(pictures), **tokens).logits_per_image
    hits = [
        logits[s : s + 100, s : s + 100].argmax(1) == torch.arange(100)
        for s in range(0, len(texts), 100)
    ]
    return float(torch.cat(hits).float().mean())


def test_the_files_tell_no_place() -> None:
    texts = [file.read_text() for file in ASSETS.rglob("*.json")]
    assert len(texts) > 5 and not [text for text in texts if "_name_or_path" in text]


def test_the_weights_are_small() -> None:
    sizes = {
        pattern: sum(file.stat().st_size for file in ASSETS.glob(f"{pattern}/**/*"))
        for pattern in ("pocket-*", "alexnet", "efficientnet_lite0")
    }
    assert sizes["pocket-*"] <= 30e6 and sum(sizes.values()) <= 60e6


def test_the_real_judges_are_the_published_ones_with_their_licences() -> None:
    build = (Path(__file__).parents[1] / "scripts" / "build_judges.py").read_text()
    for name in ("alexnet", "efficientnet_lite0"):
        assert f'"{name}": "{file_sha256(ASSETS / name / WEIGHTS)}"' in build
        assert "icense" in (ASSETS / name / "LICENSE.txt").read_text()


@pytest.mark.parametrize("look", LOOKS)
def test_the_vae_gives_pictures_back(look: str) -> None:
    vae = recipe().load("cpu").modules()["vae"]
    pictures = np.stack([np.asarray(draw(make_scene(seed), look)) for seed in HELD_OUT[:100]])
    with torch.inference_mode():
        pixels = signed(pictures)
        decoded = vae.decode(vae.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
    psnr = 10 * torch.log10(4 / (decoded - pixels).square().mean())
    print(f"psnr {look} {float(psnr):.2f} dB")
    assert psnr >= 24


@pytest.mark.parametrize("look", LOOKS)
def test_the_scorer_finds_the_caption_of_real_pictures(look: str) -> None:
    seeds = distinct(300)
    pictures = np.stack([np.asarray(draw(make_scene(seed), look)) for seed in seeds])
    share = right_among_100(pictures, [captions(make_scene(seed))[0] for seed in seeds])
    print(f"retrieval of real pictures {look} {share:.3f}")
    assert share >= 0.9


@pytest.mark.slow
def test_generated_pictures_get_their_own_caption() -> None:
    model = recipe().load("cpu")
    seeds = distinct(100)
    texts = [captions(make_scene(seed))[0] for seed in seeds]
    sampling = Sampling("ddim", 10, 2.0, "", 64, 64)
    shares = {}
    for number, look in enumerate(SHOWN_LOOKS):
        generator = torch.Generator().manual_seed(number)
        noise = torch.randn(100, 8, 8, 8, generator=generator)
        named = [name_look(text, look, prefix=True) for text in texts]
        unused = [torch.Generator() for _ in range(50)]
        batches = [
            model.generate(named[part], Draws(noise[part], unused), sampling)
            for part in (slice(50), slice(50, 100))
        ]
        shares[look] = right_among_100(np.concatenate(batches), texts)
    print(f"retrieval of generated pictures {shares}")
    assert np.mean(list(shares.values())) >= 0.8


def test_scenes_for_the_weights_are_not_those_of_the_data_set() -> None:
    data = Pocket("crayon", 2000, 200, 500)
    ids = {split: data.open(split) for split in ("train", "val", "test")}
    seeds = {s: {int(d.sample_id(i)[-6:]) for i in range(len(d))} for s, d in ids.items()}
    assert len(set.union(*seeds.values())) == sum(len(split) for split in seeds.values()) == 2700
    build = (Path(__file__).parents[1] / "scripts" / "pocket" / "pictures.py").read_text()
    assert "range(1_000_000, 1_008_000)" in build and "range(2_000_000, 2_000_500)" in build
    assert max(max(values) for values in seeds.values()) < 1_000_000

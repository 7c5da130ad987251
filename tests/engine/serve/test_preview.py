"""The guess of the pocket model's pictures, of whose latents the pictures are known."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from sdexp.engine.serve.preview import Preview
from sdexp.model.base import LoadedModel
from tests.finetune.pocket import original


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return original()


def smooth(side: int, seed: int) -> torch.Tensor:
    """A picture of a few colours that run into each other: float32 [1, 3, H, W] in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    colours = 1.6 * torch.rand((1, 3, 3, 3), generator=generator) - 0.8
    return interpolate(colours, size=side, mode="bicubic").clamp(-1, 1)


def latents_of(model: LoadedModel, pixels: torch.Tensor) -> torch.Tensor:
    moments = model.encode_images(pixels)
    return model.latents(moments, torch.zeros_like(moments.mean))


def small(pixels: torch.Tensor, side: int) -> np.ndarray:
    """The picture itself, scaled down: each pixel is the mean of those that it stands for."""
    whole = ((pixels[0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).numpy()
    return np.asarray(Image.fromarray(whole).resize((side, side), Image.Resampling.BOX))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_the_guess_looks_like_the_picture(model: LoadedModel) -> None:
    preview = Preview(model)
    pictures = [smooth(model.sample_size, seed) for seed in range(4)]
    guesses = [preview(latents_of(model, picture)) for picture in pictures]
    side = guesses[0].shape[0]
    truths = [small(picture, side) for picture in pictures]
    distances = np.array([[distance(guess, truth) for truth in truths] for guess in guesses])
    own = np.diag(distances)
    assert (distances.argmin(axis=1) == range(4)).all()
    # Of 255 levels.
    assert own.max() < 32 and own.mean() < 0.5 * distances[~np.eye(4, dtype=bool)].mean()
    noise = torch.randn(
        (1, *model.latent_shape(64, 64)), generator=torch.Generator().manual_seed(0)
    )
    assert distance(preview(noise), truths[0]) > 3 * own[0]


def test_it_has_a_pixel_for_each_place_of_the_latents(model: LoadedModel) -> None:
    channels, height, width = model.latent_shape(64, 96)
    guess = Preview(model)(torch.zeros(2, channels, height, width))
    assert guess.shape == (height, width, 3) and guess.dtype == np.uint8
    # Of equal latents it is one colour, and only the first picture is shown.
    assert len(np.unique(guess.reshape(-1, 3), axis=0)) == 1
    two = torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(Preview(model)(two), Preview(model)(two[:1]))
    assert not np.array_equal(Preview(model)(two), Preview(model)(two[1:]))


def test_places_keep_their_order(model: LoadedModel) -> None:
    preview = Preview(model)
    latents = latents_of(model, smooth(model.sample_size, 7))
    turned = preview(latents.transpose(2, 3))
    assert np.array_equal(turned, preview(latents).transpose(1, 0, 2))
    # Latents in the middle of sampling may be far off: they are cut, not wrapped around.
    far = preview(1000 * latents)
    assert np.isin(far, (0, 255)).mean() > 0.95


def test_it_is_the_same_each_time_and_draws_nothing_from_elsewhere(model: LoadedModel) -> None:
    latents = latents_of(model, smooth(model.sample_size, 1))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = Preview(model)(latents)
    assert torch.rand(1) == expected
    torch.manual_seed(6)
    assert np.array_equal(Preview(model)(latents), first)

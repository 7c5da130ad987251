"""The schedule against diffusers, and its loss scales against numbers."""

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from sdexp.ground.streams import stream
from sdexp.model.discrete import DiscreteSchedule

SCHEDULER = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
LEVELS = torch.tensor([0, 10, 500, 999])
TYPES = ("epsilon", "v_prediction", "sample")


def schedule(prediction_type: str = "epsilon") -> DiscreteSchedule:
    return DiscreteSchedule(SCHEDULER.alphas_cumprod, prediction_type)


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(1))


def test_noise_is_added_as_diffusers_adds_it(latents: torch.Tensor, noise: torch.Tensor) -> None:
    expected = SCHEDULER.add_noise(latents, noise, LEVELS)
    torch.testing.assert_close(schedule().noisy(latents, noise, LEVELS), expected)


def test_targets_are_those_of_diffusers(latents: torch.Tensor, noise: torch.Tensor) -> None:
    velocity = SCHEDULER.get_velocity(latents, noise, LEVELS)
    for kind, expected in zip(TYPES, (noise, velocity, latents), strict=True):
        torch.testing.assert_close(schedule(kind).target(latents, noise, LEVELS), expected)


def test_the_signal_to_noise_ratio_is_that_of_diffusers() -> None:
    torch.testing.assert_close(schedule().snr(LEVELS), compute_snr(SCHEDULER, LEVELS))


@pytest.mark.parametrize("kind", TYPES)
def test_the_loss_scale_is_an_error_over_that_of_the_latents_it_implies(
    kind: str, latents: torch.Tensor, noise: torch.Tensor
) -> None:
    """A wrong output is turned into latents by the scheduler of diffusers, in double precision."""
    alphas = SCHEDULER.alphas_cumprod.double()
    made = DiscreteSchedule(alphas, kind)
    latents, noise = latents.double(), noise.double()
    noisy = made.noisy(latents, noise, LEVELS)
    wrong = made.target(latents, noise, LEVELS) + 0.1 * torch.sin(noise)
    root, rest = alphas[LEVELS].sqrt(), (1 - alphas[LEVELS]).sqrt()
    root, rest = root.view(-1, 1, 1, 1), rest.view(-1, 1, 1, 1)
    implied = {
        "epsilon": (noisy - rest * wrong) / root,
        "v_prediction": root * noisy - rest * wrong,
        "sample": wrong,
    }[kind]
    output_error = (0.1 * torch.sin(noise)).square().sum(dim=(1, 2, 3))
    latent_error = (implied - latents).square().sum(dim=(1, 2, 3))
    expected = output_error / latent_error
    torch.testing.assert_close(made.loss_scale(LEVELS).expand(4), expected)


def test_levels_are_drawn_evenly_from_all_of_them() -> None:
    draws = [int(schedule().draw(stream(0, "level", k))) for k in range(4000)]
    assert draws[:5] == [int(schedule().draw(stream(0, "level", k))) for k in range(5)]
    assert 0 <= min(draws) < 10 and 990 <= max(draws) < 1000
    # The mean of 4000 uniform numbers lies within five standard errors.
    assert abs(sum(draws) / 4000 - 499.5) < 5 * 1000 / (12 * 4000) ** 0.5


def test_epsilon_from_noise_alone_is_refused() -> None:
    alone = torch.tensor([0.9, 0.5, 0.0])
    with pytest.raises(ValueError, match="the last step is noise alone"):
        DiscreteSchedule(alone, "epsilon")
    made = DiscreteSchedule(alone, "v_prediction")
    assert made.snr(torch.tensor([2])).tolist() == [0.0]
    torch.testing.assert_close(made.share(torch.tensor([0, 2])), torch.tensor([0.0, 2 / 3]))

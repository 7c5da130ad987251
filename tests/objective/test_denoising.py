from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from sdexp.ground.streams import stream
from sdexp.model.base import Condition
from sdexp.model.discrete import DiscreteSchedule
from sdexp.objective.base import TrainingBatch
from sdexp.objective.denoising import Denoising

SCHEDULER = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
PLAIN = Denoising(caption_dropout_rate=0.0, snr_gamma=None, noise_offset=0.0)


def fake_model(prediction_type: str) -> Any:
    """Predicts half of what it sees, so that the loss is easily computed by hand."""
    return SimpleNamespace(
        schedule=DiscreteSchedule(SCHEDULER.alphas_cumprod, prediction_type),
        predict=lambda noisy, t, condition: 0.5 * noisy,
    )


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(5, 4, 8, 8, generator=generator)
    noise = torch.randn(5, 4, 8, 8, generator=generator)
    return latents, noise, torch.tensor([0, 10, 500, 900, 999])


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_loss_against_diffusers(prediction_type: str, drawn: Any) -> None:
    latents, noise, t = drawn
    loss = PLAIN(
        fake_model(prediction_type), TrainingBatch(latents, Condition(torch.empty(0))), noise, t
    )
    noisy = SCHEDULER.add_noise(latents, noise, t)
    target = {
        "epsilon": noise,
        "v_prediction": SCHEDULER.get_velocity(latents, noise, t),
        "sample": latents,
    }[prediction_type]
    expected = ((0.5 * noisy - target) ** 2).mean(dim=(1, 2, 3))
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_min_snr_against_the_formula_of_the_example_scripts(
    prediction_type: str, drawn: Any
) -> None:
    latents, noise, t = drawn
    weighted = Denoising(caption_dropout_rate=0.0, snr_gamma=5.0, noise_offset=0.0)
    batch = TrainingBatch(latents, Condition(torch.empty(0)))
    ratio = weighted(fake_model(prediction_type), batch, noise, t) / PLAIN(
        fake_model(prediction_type), batch, noise, t
    )
    snr = compute_snr(SCHEDULER, t)
    clipped = torch.minimum(snr, torch.full_like(snr, 5.0))
    divisor = {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}
    torch.testing.assert_close(ratio, clipped / divisor[prediction_type])


def test_noise_offset_shifts_whole_channels() -> None:
    offset = Denoising(caption_dropout_rate=0.0, snr_gamma=None, noise_offset=0.1)
    shape = (4, 16, 16)
    shift = offset.noise(shape, stream(0, "n")) - PLAIN.noise(shape, stream(0, "n"))
    torch.testing.assert_close(shift, shift[:, :1, :1].expand(shape), atol=1e-6, rtol=0)
    assert shift[:, 0, 0].unique().numel() == 4


@pytest.mark.parametrize(
    "wrong",
    [{"snr_gamma": 0.0}, {"snr_gamma": float("nan")}, {"noise_offset": -0.1},
     {"noise_offset": float("inf")}, {"caption_dropout_rate": 1.5},
     {"caption_dropout_rate": float("nan")}],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, float]) -> None:
    values: dict[str, Any] = {"snr_gamma": None, "noise_offset": 0.0, "caption_dropout_rate": 0.0}
    with pytest.raises(ValueError, match=f"objective.{next(iter(wrong))}="):
        Denoising(**(values | wrong))


def test_a_level_is_drawn_from_the_schedule_of_the_model() -> None:
    schedule = DiscreteSchedule(SCHEDULER.alphas_cumprod, "epsilon")
    levels = [PLAIN.level(schedule, stream(0, "level", k)) for k in range(400)]
    assert all(level.dtype == torch.int64 and 0 <= level < 1000 for level in levels)
    expected = torch.randint(1000, (), generator=stream(0, "level", 3))
    assert levels[3] == expected and 400 < float(torch.stack(levels).float().mean()) < 600

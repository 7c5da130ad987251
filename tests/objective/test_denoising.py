from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from sdexp.ground.streams import stream
from sdexp.model.discrete import DiscreteSchedule
from sdexp.objective.denoising import Denoising, HuberSchedule, LossType
from tests.objective.batches import Batch

SCHEDULER = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
VALUES: dict[str, Any] = {
    "caption_dropout_rate": 0.0,
    "snr_gamma": None,
    "noise_offset": 0.0,
    "input_perturbation": 0.0,
    "loss_type": LossType.l2,
    "huber_schedule": HuberSchedule.snr,
    "huber_c": 0.1,
}


def objective(**changes: Any) -> Denoising:
    return Denoising(**(VALUES | changes))


PLAIN = objective()


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
    return (
        latents,
        noise.unsqueeze(1).expand(-1, 2, -1, -1, -1),
        torch.tensor([0, 10, 500, 900, 999]),
    )


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_loss_against_diffusers(prediction_type: str, drawn: Any) -> None:
    latents, noise, t = drawn
    loss = PLAIN(fake_model(prediction_type), Batch(latents, noise, t))
    noise = noise[:, 0]
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
    weighted = objective(snr_gamma=5.0)
    batch = Batch(latents, noise, t)
    model = fake_model(prediction_type)
    ratio = weighted(model, batch) / PLAIN(model, batch)
    snr = compute_snr(SCHEDULER, t)
    clipped = torch.minimum(snr, torch.full_like(snr, 5.0))
    divisor = {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}
    torch.testing.assert_close(ratio, clipped / divisor[prediction_type])


def test_noise_offset_shifts_whole_channels() -> None:
    offset = objective(noise_offset=0.1)
    shape = torch.Size((4, 16, 16))
    shift, seen = offset.noise(shape, stream(0, "n")) - PLAIN.noise(shape, stream(0, "n"))
    assert torch.equal(shift, seen)
    torch.testing.assert_close(shift, shift[:, :1, :1].expand(shape), atol=1e-6, rtol=0)
    assert shift[:, 0, 0].unique().numel() == 4


@pytest.mark.parametrize(
    "wrong",
    [{"snr_gamma": 0.0}, {"snr_gamma": float("nan")}, {"noise_offset": -0.1},
     {"noise_offset": float("inf")}, {"caption_dropout_rate": 1.5},
     {"caption_dropout_rate": float("nan")}, {"input_perturbation": -0.1}, {"huber_c": 0.0}],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"objective.{next(iter(wrong))}="):
        objective(**wrong)


def test_a_level_is_drawn_from_its_stream() -> None:
    schedule = DiscreteSchedule(SCHEDULER.alphas_cumprod, "epsilon")
    levels = [schedule.draw(stream(0, "level", k)) for k in range(400)]
    assert all(level.dtype == torch.int64 and 0 <= level < 1000 for level in levels)
    expected = torch.randint(1000, (), generator=stream(0, "level", 3))
    assert levels[3] == expected and 400 < float(torch.stack(levels).float().mean()) < 600


def test_a_perturbation_is_seen_and_not_asked_for() -> None:
    shape = torch.Size((4, 32, 32))
    asked, seen = objective(input_perturbation=0.1).noise(shape, stream(0, "n"))
    assert torch.equal(asked, PLAIN.noise(shape, stream(0, "n"))[0])
    assert float((seen - asked).std()) == pytest.approx(0.1, rel=0.05)
    latents = torch.randn(1, *shape)
    t = torch.tensor([400])
    noise = torch.stack([asked, seen])[None]
    loss = PLAIN(fake_model("epsilon"), Batch(latents, noise, t))
    said = 0.5 * SCHEDULER.add_noise(latents, seen[None], t)
    torch.testing.assert_close(loss, (said - asked).square().mean().view(1))


@pytest.mark.parametrize("schedule", list(HuberSchedule))
def test_huber_against_its_formula(schedule: HuberSchedule, drawn: Any) -> None:
    latents, noise, t = drawn
    batch = Batch(latents, noise, t)
    chosen = objective(loss_type=LossType.huber, huber_schedule=schedule, huber_c=0.2)
    loss = chosen(fake_model("epsilon"), batch)
    cumulative = SCHEDULER.alphas_cumprod[t].double()
    sigma = ((1 - cumulative) / cumulative).sqrt()
    bounds = {
        HuberSchedule.constant: torch.full((5,), 0.2, dtype=torch.float64),
        HuberSchedule.exponential: torch.exp(np.log(0.2) / 1000 * t.double()),
        HuberSchedule.snr: (1 - 0.2) / (1 + sigma) ** 2 + 0.2,
    }
    c = bounds[schedule].view(-1, 1, 1, 1)
    error = (0.5 * SCHEDULER.add_noise(latents, noise[:, 0], t) - noise[:, 0]).double()
    expected = (2 * c * ((error**2 + c**2).sqrt() - c)).mean(dim=(1, 2, 3))
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-7)


def test_min_snr_stays_finite_where_the_last_step_is_noise_alone() -> None:
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", rescale_betas_zero_snr=True)
    schedule = DiscreteSchedule(scheduler.alphas_cumprod, "v_prediction")
    model: Any = SimpleNamespace(schedule=schedule, predict=lambda noisy, t, condition: noisy)
    latents = torch.randn(2, 4, 8, 8)
    noise = torch.randn(2, 2, 4, 8, 8)
    batch = Batch(latents, noise, torch.tensor([998, 999]))
    for chosen in (objective(snr_gamma=5.0), objective(loss_type=LossType.huber)):
        assert chosen(model, batch).isfinite().all()

from typing import Any

import pytest
import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file

from sdexp.engine.train.average import MovingAverage


def walk(steps: int) -> list[list[torch.Tensor]]:
    """Weights of two tensors after each step."""
    generator = torch.Generator().manual_seed(0)
    return [
        [torch.randn(7, 5, generator=generator), torch.randn(3, generator=generator)]
        for _ in range(steps)
    ]


@pytest.mark.parametrize(("decay", "warmup"), [(0.999, True), (0.9, True), (0.6, False)])
def test_it_is_that_of_diffusers(decay: float, warmup: bool) -> None:
    start, *steps = walk(40)
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    theirs = EMAModel(parameters, decay=decay, min_decay=0.0 if warmup else decay)
    ours = MovingAverage(parameters, decay, warmup)
    for values in steps:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data.copy_(value)
        theirs.step(parameters)
        ours.follow(parameters)
        torch.testing.assert_close(ours.tensors, theirs.shadow_params, rtol=1e-5, atol=1e-6)


def test_the_first_update_copies_and_later_ones_follow() -> None:
    start, first, second = walk(3)
    average = MovingAverage(start, 0.9, warmup=False)
    average.follow(first)
    assert all(map(torch.equal, average.tensors, first))
    average.follow(second)
    for mean, one, other in zip(average.tensors, first, second, strict=True):
        torch.testing.assert_close(mean, 0.9 * one + 0.1 * other)


def test_it_keeps_its_own_tensors() -> None:
    (start,) = walk(1)
    average = MovingAverage(start, 0.9, warmup=True)
    start[0].zero_()
    assert average.tensors[0].any() and not average.tensors[0].requires_grad


def test_an_average_of_every_third_step_moves_as_far_as_three(train: Any) -> None:
    run = train(
        "third", "finetune=unet", "training.use_ema=true", "training.ema_warmup=false",
        "training.ema_decay=0.9", "training.ema_update_interval=3", "training.max_train_steps=7",
        "training.checkpointing_steps=3", "training.checkpoints_total_limit=3",
    )  # fmt: skip
    third, sixth = (load_file(run.checkpoints / f"00000{k}" / "trained.safetensors") for k in "36")
    average = load_file(run.checkpoints / "000007" / "ema.safetensors")
    for name, tensor in average.items():
        wanted = 0.9**3 * third[name] + (1 - 0.9**3) * sixth[name]
        torch.testing.assert_close(tensor, wanted)

from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState

from tests.engine.train.runs import losses, tensors_of


def test_what_is_frozen_may_be_kept_in_half(train: Any) -> None:
    words = ("hardware.mixed_precision=bf16", "finetune.components=[unet]")
    run = train("half", *words, "hardware.frozen_dtype=bf16")
    assert {t.dtype for t in tensors_of(run)} == {torch.float32}
    AcceleratorState._reset_state(reset_partial_state=True)
    mixed = losses(train("mixed", *words))
    assert losses(run) == pytest.approx(mixed, rel=0.05)


def test_bf16_trains_and_keeps_float32_weights(train: Any) -> None:
    run = train("bf16", "hardware.mixed_precision=bf16", "hardware.channels_last=true")
    assert {t.dtype for t in tensors_of(run)} == {torch.float32}
    AcceleratorState._reset_state(reset_partial_state=True)
    exact = losses(train("float32"))
    assert losses(run) != exact and losses(run) == pytest.approx(exact, rel=0.05)

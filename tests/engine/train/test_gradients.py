import math
import os
import signal
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from sdexp.engine.train import gradients
from sdexp.engine.train.gradients import StepAfterBackward, StepInBackward
from sdexp.engine.train.setup import set_up
from sdexp.engine.train.trainer import Trainer
from sdexp.ground.errors import DivergedError
from sdexp.ground.interrupt import Interrupted, listening
from sdexp.ground.run import saved_steps
from sdexp.ground.store import Store
from tests.commands import digest
from tests.engine.train.runs import losses

IN_BACKWARD = ("hardware.optimizer_in_backward=true", "training.max_grad_norm=null")


class State:
    """Two parameters and an optimizer, as a training has them."""

    def __init__(self, kind: Any, accelerator: Accelerator, **arguments: Any) -> None:
        torch.manual_seed(0)
        self.parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in ((40, 3), (7,))]
        self.trained = {str(n): p for n, p in enumerate(self.parameters)}
        self.optimizer = accelerator.prepare_optimizer(kind(self.parameters, lr=0.1, **arguments))
        self.step = 0

    def loss(self, scale: float) -> torch.Tensor:
        first, second = self.parameters
        return scale * (first.square().sum() + second.pow(3).sum())


@pytest.mark.parametrize("scale", [0.001, 3.0])
@pytest.mark.parametrize("arguments", [{"fused": True}, {"fused": False}])
@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_clipping_is_that_of_torch(kind: Any, arguments: dict[str, Any], scale: float) -> None:
    """Adam forgets the scale of gradients, but for eps; that of torch shows it."""
    accelerator = Accelerator(cpu=True)
    own = {"eps": 1.0} if kind is torch.optim.AdamW else {}
    ours = State(kind, accelerator, **arguments, **own)
    theirs = State(kind, accelerator, **own)
    work = StepAfterBackward(ours, accelerator, lambda: None, limit=0.5)  # type: ignore[arg-type]
    for _ in range(3):
        ours.loss(scale).backward()
        theirs.loss(scale).backward()
        norm = work.apply(1.0)
        wanted = torch.nn.utils.clip_grad_norm_(theirs.parameters, 0.5)
        theirs.optimizer.step()
        theirs.optimizer.zero_grad()
        assert norm == pytest.approx(float(wanted)) and (norm > 0.5) is (scale == 3.0)
    torch.testing.assert_close(ours.parameters, theirs.parameters)


@pytest.mark.parametrize(
    "words",
    [
        ("finetune=unet", "training.use_ema=true"),
        ("finetune=unet_text_encoder", "hardware.gradient_checkpointing=true"),
        ("finetune=lora", "optimizer=sgd"),
    ],
)
def test_within_the_backward_pass_the_bits_are_the_same(
    train: Any, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Also with a step for every few tensors."""
    plain = train("plain", *words, "training.max_grad_norm=null")
    monkeypatch.setattr(gradients, "WAITING", 5000)
    within = train("within", *words, *IN_BACKWARD)
    assert digest(within.weights) == digest(plain.weights)
    assert losses(within) == losses(plain)
    norms = [losses(run, name="grad_norm") for run in (within, plain)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


def test_few_gradients_lie_in_memory_at_once(
    tiny_run: Any, tiny_recipes: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradients, "WAITING", 5000)
    words = ("finetune=unet", *IN_BACKWARD)
    run = tiny_run("within", *words)
    setup = set_up(run, tiny_recipes(*words), store)
    most = []
    step = StepInBackward._step_over_waiting

    def counting(self: StepInBackward) -> None:
        most.append(sum(p.nbytes for p in setup.state.parameters if p.grad is not None))
        step(self)

    monkeypatch.setattr(StepInBackward, "_step_over_waiting", counting)
    Trainer(run, setup).train()
    largest = max(p.nbytes for p in setup.state.parameters)
    assert max(most) < 5000 + largest < sum(p.nbytes for p in setup.state.parameters)


@pytest.mark.parametrize("broken, said", [("loss", "unchanged"), ("gradient", "within the update")])
def test_what_is_not_finite_ends_it(
    tiny_run: Any, tiny_recipes: Any, store: Store, broken: str, said: str
) -> None:
    # A picture of broken weights would end it before the first step.
    words = ("finetune=unet", "training.validation_images_steps=null", *IN_BACKWARD)
    run = tiny_run("within", *words)
    setup = set_up(run, tiny_recipes(*words), store)
    first = setup.state.parameters[0]
    if broken == "loss":
        first.data.fill_(math.nan)
    else:
        first.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(DivergedError, match=f"not finite; stopped .*{said}"):
        Trainer(run, setup).train()
    assert not run.weights.exists()


def test_a_signal_within_the_backward_pass_waits_for_the_end_of_the_step(
    tiny_run: Any, tiny_recipes: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is saved then is whole, and the run goes on to the same bits."""
    monkeypatch.setattr(gradients, "WAITING", 1)
    words = ("finetune=unet", *IN_BACKWARD, "training.max_train_steps=4")
    whole = tiny_run("whole", *words)
    Trainer(whole, set_up(whole, tiny_recipes(*words), store)).train()
    run = tiny_run("cut", *words)
    one = Trainer(run, set_up(run, tiny_recipes(*words), store))
    first = one.state.parameters[0]

    def signal_in_the_third(gradient: torch.Tensor) -> None:
        if one.state.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    first.register_hook(signal_in_the_third)
    with listening(), pytest.raises(Interrupted):
        one.train()
    assert saved_steps(run.checkpoints)[-1] == 3
    Trainer(run, set_up(run, tiny_recipes(*words), store)).train()
    assert digest(run.weights) == digest(whole.weights)

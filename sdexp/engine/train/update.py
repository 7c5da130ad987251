"""One optimizer step."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from sdexp.engine.hardware import rate_factors, rests_files
from sdexp.engine.train.gradients import (
    AbstractGradientStep,
    StepAfterBackward,
    StepInBackward,
)
from sdexp.engine.train.items import Item
from sdexp.engine.train.setup import Setup
from sdexp.ground.errors import ConfigError
from sdexp.ground.interrupt import interruptible
from sdexp.ground.mapped import let_go
from sdexp.ground.streams import stream_seed


@dataclass(frozen=True)
class StepResult:
    """What a step did: mean loss of its samples, learning rates by group, gradient norm."""

    loss: float
    rates: dict[str, float]
    grad_norm: float
    samples: int
    seconds: float

    def values(self) -> dict[str, float]:
        """What is logged; the rates of further groups carry the name of their component."""
        first, *others = self.rates.items()
        named = {f"learning_rate_{name}": rate for name, rate in others}
        told = {"loss": self.loss, "learning_rate": first[1], **named, "grad_norm": self.grad_norm}
        return told | {"images_per_second": self.images_per_second}

    @property
    def images_per_second(self) -> float:
        return self.samples / self.seconds

    def __str__(self) -> str:
        rate = next(iter(self.rates.values()))
        return f"loss {self.loss:.4f} lr {rate:.2e} {self.images_per_second:.1f} images/s"


def gradient_step(setup: Setup, resting: list[Path]) -> AbstractGradientStep:
    """How the gradients of a training become changes; resting: files that leave memory first."""
    verify = partial(_verify, setup, resting)
    if setup.recipes.hardware.optimizer_in_backward:
        return StepInBackward(setup.state, setup.accelerator, verify)
    limit = setup.recipes.training.max_grad_norm or math.inf
    return StepAfterBackward(setup.state, setup.accelerator, verify, limit)


def _verify(setup: Setup, resting: list[Path]) -> None:
    """The original is what it was taken for; what had to be read for that leaves memory again."""
    setup.identity.verify_before(setup.state.parameters)
    _rest(resting)


def _rest(files: list[Path]) -> None:
    for file in files:
        let_go(file)


def resting_files(setup: Setup) -> list[Path]:
    """Files of frozen networks that a backward pass has no use for."""
    if not rests_files(setup.model.device, sum(p.numel() for p in setup.state.parameters)):
        return []
    modules = setup.model.modules()
    files = setup.model.files().items()
    return [f.path for n, f in files if not any(p.requires_grad for p in modules[n].parameters())]


class Updater:
    """Changes the trained parameters, step by step."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.resting = resting_files(setup)
        self.gradients = gradient_step(setup, self.resting)
        self.factor = rate_factors(setup.recipes.scheduler, setup.timetable.total)
        groups = setup.state.optimizer.param_groups
        self.peaks = {group["name"]: float(group["lr"]) for group in groups}

    def update(self, batches: Iterator[list[Item]]) -> StepResult:
        """One optimizer step over all micro-batches of its group.

        Raises `DivergedError`, before anything is changed, where the loss is not finite.
        """
        began = time.monotonic()
        state = self.setup.state
        rank = self.setup.accelerator.process_index
        seed = self.setup.recipes.training.seed
        samples = len(self.setup.timetable.order.step_samples(state.step))
        torch.manual_seed(stream_seed(seed, "step", state.step, rank))
        rates = self._set_rates(state.step)
        with interruptible():
            loss = self._backward(batches, samples)
        if state.step == 0:
            self._check_reached()
        norm = self.gradients.apply(loss)
        state.step += 1
        state.follow()
        state.epoch_loss += loss * samples
        state.epoch_samples += samples
        return StepResult(loss, rates, norm, samples, time.monotonic() - began)

    def _set_rates(self, step: int) -> dict[str, float]:
        factor = self.factor(step)
        rates = {name: peak * factor for name, peak in self.peaks.items()}
        for group in self.setup.state.optimizer.param_groups:
            group["lr"] = rates[group["name"]]
        return rates

    def _backward(self, batches: Iterator[list[Item]], samples: int) -> float:
        """Accumulate gradients; every sample of the step weighs 1 / samples."""
        accelerator = self.setup.accelerator
        order = self.setup.timetable.order
        total = torch.zeros((), device=self.setup.model.device)
        for _ in order.micro_batches(self.setup.state.step, accelerator.process_index):
            items = next(batches)
            if items:
                losses = self.setup.loss_of(items)
                loss = losses.sum() / samples
                self.gradients.before(loss)
                _rest(self.resting)
                accelerator.backward(loss)
                total += losses.detach().sum()
        return float(accelerator.reduce(total, "sum")) / samples

    def _check_reached(self) -> None:
        """Raise `ConfigError` for a trained tensor that the loss does not see.

        A process without a sample of the step has no gradient at all.
        """
        trained = self.setup.state.trained
        without = self.gradients.unreached()
        idle = len(without) == len(trained) and self.setup.accelerator.num_processes > 1
        if without and not idle:
            raise ConfigError(
                f"finetune: no gradient reaches {len(without)} of {len(trained)} trained tensors "
                f"(first: {without[0]}); the loss does not see them: train other components or "
                "layers"
            )

"""One optimizer step."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from sdexp.engine.hardware import rate_factors
from sdexp.engine.train.items import Item
from sdexp.engine.train.setup import Setup
from sdexp.ground.errors import ConfigError, DivergedError
from sdexp.ground.interrupt import interruptible
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
        return {"loss": self.loss, "learning_rate": first[1], **named, "grad_norm": self.grad_norm}

    def __str__(self) -> str:
        rate = next(iter(self.rates.values()))
        speed = self.samples / self.seconds
        return f"loss {self.loss:.4f} lr {rate:.2e} {speed:.1f} images/s"


class Updater:
    """Changes the trained parameters, step by step."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
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
        norm = self._apply_gradients(loss)
        state.step += 1
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
                accelerator.backward(losses.sum() / samples)
                total += losses.detach().sum()
        return float(accelerator.reduce(total, "sum")) / samples

    def _check_reached(self) -> None:
        """Raise `ConfigError` for a trained tensor that the loss does not see.

        A process without a sample of the step has no gradient at all.
        """
        trained = self.setup.state.trained
        without = [name for name, parameter in trained.items() if parameter.grad is None]
        idle = len(without) == len(trained) and self.setup.accelerator.num_processes > 1
        if without and not idle:
            raise ConfigError(
                f"finetune: no gradient reaches {len(without)} of {len(trained)} trained tensors "
                f"(first: {without[0]}); the loss does not see them: train other components or "
                "layers"
            )

    def _apply_gradients(self, loss: float) -> float:
        """Sum over processes, check, clip once, step; returns the norm before clipping."""
        state = self.setup.state
        accelerator = self.setup.accelerator
        if accelerator.num_processes > 1:
            self._sum_gradients()
        accelerator.unscale_gradients(state.optimizer)
        limit = self.setup.recipes.training.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(state.parameters, limit))
        # A gradient scaler skips overflowing steps by itself; a loss that is no number is final.
        finite = math.isfinite(norm) or accelerator.scaler is not None
        if not (math.isfinite(loss) and finite):
            raise DivergedError(
                f"step {state.step + 1}: loss {loss}, gradient norm {norm}: not finite; stopped "
                "before the update, weights unchanged; lower optimizer.lr or set "
                "training.max_grad_norm"
            )
        state.optimizer.step()
        state.optimizer.zero_grad()
        if state.ema is not None:
            state.ema.follow(state.parameters)
        return norm

    def _sum_gradients(self) -> None:
        parameters = self.setup.state.parameters
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([grad.flatten() for grad in grads])
        summed = self.setup.accelerator.reduce(flat, "sum")
        parts = summed.split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))

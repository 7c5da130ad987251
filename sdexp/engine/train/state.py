"""Everything of a training run that changes from step to step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn

from sdexp.engine.train.average import MovingAverage
from sdexp.engine.train.checkpoint import Checkpoint, flatten_optimizer, restore_optimizer
from sdexp.engine.train.stopping import Stopper
from sdexp.ground.config import TrainingConfig


class TrainingState:
    """Trained parameters, optimizer, moving average, early stopping and the step number."""

    def __init__(
        self,
        trained: dict[str, nn.Parameter],
        optimizer: AcceleratedOptimizer,
        scaler: Any,
        config: TrainingConfig,
    ) -> None:
        self.trained = trained
        self.optimizer = optimizer
        self.scaler = scaler
        self.parameters = list(trained.values())
        self.ema = self._average(config)
        self._ema_interval = config.ema_update_interval
        self.stopper = Stopper(config.early_stopping)
        self.best: dict[str, Tensor] = {}
        # Steps done, and the last step whose looks and checks are done too.
        self.step = 0
        self.looked = -1
        self.epoch_loss = 0.0
        self.epoch_samples = 0

    def _average(self, config: TrainingConfig) -> MovingAverage | None:
        if not config.use_ema:
            return None
        # As much as it moves in so many single steps.
        decay = config.ema_decay**config.ema_update_interval
        return MovingAverage(self.parameters, decay, config.ema_warmup)

    def follow(self) -> None:
        """Let the moving average, where there is one, see the weights of the last step."""
        if self.ema is not None and self.step % self._ema_interval == 0:
            self.ema.follow(self.parameters)

    @contextmanager
    def served_weights(self) -> Iterator[None]:
        """The moving average in place of the raw weights, when there is one."""
        if self.ema is None or not self.ema.updates:
            yield
            return
        with self._replaced_by(self.ema.tensors):
            yield

    @contextmanager
    def final_weights(self) -> Iterator[None]:
        """The weights to save: those of the best check with early stopping, else the served."""
        if self.best:
            with self._replaced_by([self.best[name] for name in self.trained]):
                yield
        else:
            with self.served_weights():
                yield

    @contextmanager
    def _replaced_by(self, values: list[Tensor]) -> Iterator[None]:
        _exchange(values, self.parameters)
        try:
            yield
        finally:
            _exchange(values, self.parameters)

    def keep_best(self) -> None:
        """Remember the served weights as the best so far."""
        with self.served_weights():
            self.best = {name: p.detach().clone() for name, p in self.trained.items()}

    def checkpoint(self) -> Checkpoint:
        """The whole state, as tensors and plain values."""
        optimizer, numbers = flatten_optimizer(self.optimizer.optimizer)
        tensors: dict[str, dict[str, Tensor]] = {"trained": dict(self.trained)}
        tensors["optimizer"] = optimizer
        if self.ema is not None:
            tensors["ema"] = dict(zip(self.trained, self.ema.tensors, strict=True))
        if self.best:
            tensors["best"] = self.best
        values = {
            "optimizer": numbers,
            "looked": self.looked,
            "stopper": self.stopper.values(),
            "epoch_loss": self.epoch_loss,
            "epoch_samples": self.epoch_samples,
            "ema_step": self.ema.updates if self.ema is not None else None,
            "scaler": self.scaler.state_dict() if self.scaler is not None else None,
        }
        return Checkpoint(self.step, tensors, values)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put a checkpoint back."""
        tensors = checkpoint.tensors
        values = checkpoint.values
        self.step = checkpoint.step
        self.looked = values["looked"]
        _copy([tensors["trained"][name] for name in self.trained], self.parameters)
        restore_optimizer(self.optimizer.optimizer, tensors["optimizer"], values["optimizer"])
        if self.ema is not None:
            _copy([tensors["ema"][name] for name in self.trained], self.ema.tensors)
            self.ema.updates = values["ema_step"]
        if "best" in tensors:
            self.best = {n: tensors["best"][n].to(p.device) for n, p in self.trained.items()}
        if self.scaler is not None:
            self.scaler.load_state_dict(values["scaler"])
        self.stopper.restore(values["stopper"])
        self.epoch_loss = values["epoch_loss"]
        self.epoch_samples = values["epoch_samples"]


def _exchange(values: list[Tensor], parameters: list[nn.Parameter]) -> None:
    """Exchange them one by one, so that no second copy of them all takes memory."""
    with torch.no_grad():
        for value, parameter in zip(values, parameters, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(kept)


def _copy(values: list[Tensor], targets: list[Any]) -> None:
    with torch.no_grad():
        for value, target in zip(values, targets, strict=True):
            target.copy_(value)

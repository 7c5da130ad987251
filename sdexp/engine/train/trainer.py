"""The training loop."""

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from sdexp.engine.hardware import (
    learning_rates,
    make_accelerator,
    make_optimizer,
    peak_memory_gb,
)
from sdexp.engine.progress import Progress, say
from sdexp.engine.recorder import Recorder
from sdexp.engine.train.batches import Order, TrainPictures, micro_batches
from sdexp.engine.train.checkpoint import read_checkpoint, save_checkpoint, settle
from sdexp.engine.train.items import Item
from sdexp.engine.train.latents import MomentCache, MomentSource
from sdexp.engine.train.losses import LossOfItems
from sdexp.engine.train.state import TrainingState
from sdexp.engine.train.validation import Validation
from sdexp.ground.config import TRAIN_LOSS, VALIDATION_LOSS
from sdexp.ground.errors import DivergedError
from sdexp.ground.interrupt import Interrupted, interruptible, received
from sdexp.ground.log import cut_after
from sdexp.ground.records import TrainingRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.ground.streams import stream_seed
from sdexp.recipes import Recipes


class Trainer:
    """One training run, from the last checkpoint to the saved weights."""

    def __init__(
        self, run: RunFolder, recipes: Recipes, store: Store, config: dict[str, Any]
    ) -> None:
        self.run = run
        self.recipes = recipes
        self.training = recipes.training
        self.config = config
        self.accelerator = make_accelerator(recipes.hardware)
        self.is_main = self.accelerator.is_main_process
        self.data = recipes.dataset.open("train")
        self.order = self._order(len(self.data))
        self.total = self._total_steps()
        self.model = recipes.model.load(str(self.accelerator.device), "float32")
        self.base_weights = self.model.fingerprints()
        self.state = self._state()
        self.rate = learning_rates(recipes.scheduler, recipes.optimizer.lr, self.total)
        resolution = self.training.resolution or self.model.sample_size
        cache = MomentCache(self.model, store) if self.training.cache_latents else None
        dropout = recipes.objective.caption_dropout_rate
        self.pictures = TrainPictures(self.data, self.training, resolution, dropout, cache)
        moments = MomentSource(self.model, cache)
        seed = self.training.seed
        self.loss_of = LossOfItems(
            self.model, recipes.objective, moments, self.accelerator, seed, resolution
        )
        self.validation = Validation(
            run, recipes, self.model, self.loss_of, self.accelerator, resolution
        )
        self.update_seconds = 0.0
        self.saved: int | None = None

    def _order(self, samples: int) -> Order:
        return Order(
            samples=samples,
            batch_size=self.training.train_batch_size,
            accumulation=self.training.gradient_accumulation_steps,
            processes=self.accelerator.num_processes,
            seed=self.training.seed,
        )

    def _total_steps(self) -> int:
        if self.training.max_train_steps is not None:
            return self.training.max_train_steps
        assert self.training.num_train_epochs is not None
        return self.training.num_train_epochs * self.order.steps_per_epoch

    def _state(self) -> TrainingState:
        torch.manual_seed(stream_seed(self.training.seed, "adapters"))
        trained = self.recipes.finetune.attach(self.model)
        hardware = self.recipes.hardware
        self.model.set_memory(hardware.gradient_checkpointing, hardware.channels_last)
        optimizer = make_optimizer(
            self.recipes.optimizer, list(trained.values()), self.model.device
        )
        prepared = self.accelerator.prepare_optimizer(optimizer)
        return TrainingState(trained, prepared, self.accelerator.scaler, self.training)

    def train(self) -> TrainingRecord:
        """Run to the end; returns what run.json tells about the training."""
        self._resume()
        self.recorder = Recorder(
            self.run, self.recipes.trackers, self.config, "train", self.is_main
        )
        try:
            began = time.monotonic()
            first = self.state.step
            self._steps()
            self._finish()
            return self._summary(time.monotonic() - began, first)
        except (Interrupted, RuntimeError) as error:
            # Another process may have left before this one hears of the signal itself.
            if received.first is None:
                raise
            self._save()
            raise Interrupted(received.first) from error
        finally:
            self.recorder.close()

    def _resume(self) -> None:
        """Go on from the newest good checkpoint; cut from the log what will be repeated."""
        step, damaged = settle(self.run.checkpoints) if self.is_main else (None, [])
        for line in damaged:
            say(f"warning: {line}", self.is_main)
        (step,) = broadcast_object_list([step])
        if step is not None:
            self.state.restore(read_checkpoint(self.run.checkpoints, step))
            say(f"resuming after step {step}", self.is_main)
        self.saved = step
        if self.is_main:
            done = self.state.step if step is not None else -1
            cut_after(self.run.log, done, self.state.looked)

    def _steps(self) -> None:
        state = self.state
        self._look()
        batches = micro_batches(
            self.pictures,
            self.order,
            range(state.step, self.total),
            self.accelerator.process_index,
            self.recipes.hardware.dataloader_num_workers,
        )
        progress = Progress("training", self.total, state.step, self.is_main)
        while state.step < self.total and not state.stopper.stopped:
            progress.advance(self._update(batches))
            every = self.training.checkpointing_steps
            if state.step == self.total or (every is not None and state.step % every == 0):
                self._save()
                self.accelerator.wait_for_everyone()
            self._look()
        progress.close()
        self._save()

    def _save(self) -> None:
        """A checkpoint of the last finished step, unless there is one."""
        if self.is_main and self.state.step > 0 and self.saved != self.state.step:
            keep = self.training.checkpoints_total_limit
            save_checkpoint(self.run.checkpoints, self.state.checkpoint(), keep)
            self.saved = self.state.step

    def _update(self, batches: Iterator[list[Item]]) -> str:
        """One optimizer step over all micro-batches of its group; returns a line about it."""
        began = time.monotonic()
        state = self.state
        rank = self.accelerator.process_index
        samples = len(self.order.step_samples(state.step))
        torch.manual_seed(stream_seed(self.training.seed, "step", state.step, rank))
        rate = self.rate(state.step)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        with interruptible():
            loss = self._backward(batches, samples)
        norm = self._apply_gradients(loss)
        state.step += 1
        state.epoch_loss += loss * samples
        state.epoch_samples += samples
        values = {"loss": loss, "learning_rate": rate, "grad_norm": norm}
        self.recorder.scalars("train", values, state.step, self._epochs())
        seconds = time.monotonic() - began
        self.update_seconds += seconds
        return f"loss {loss:.4f} lr {rate:.2e} {samples / seconds:.1f} images/s"

    def _backward(self, batches: Iterator[list[Item]], samples: int) -> float:
        """Accumulate gradients; every sample of the step weighs 1 / samples."""
        total = torch.zeros((), device=self.model.device)
        for _ in self.order.micro_batches(self.state.step, self.accelerator.process_index):
            items = next(batches)
            if items:
                losses = self.loss_of(items)
                self.accelerator.backward(losses.sum() / samples)
                total += losses.detach().sum()
        return float(self.accelerator.reduce(total, "sum")) / samples

    def _apply_gradients(self, loss: float) -> float:
        """Sum over processes, check, clip once, step; returns the norm before clipping."""
        state = self.state
        if self.accelerator.num_processes > 1:
            self._sum_gradients()
        self.accelerator.unscale_gradients(state.optimizer)
        limit = self.training.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(state.parameters, limit))
        # A gradient scaler skips overflowing steps by itself; a loss that is no number is final.
        finite = math.isfinite(norm) or self.accelerator.scaler is not None
        if not (math.isfinite(loss) and finite):
            raise DivergedError(
                f"step {state.step + 1}: loss {loss}, gradient norm {norm}: not finite; stopped "
                "before the update, weights unchanged; lower optimizer.lr or set "
                "training.max_grad_norm"
            )
        state.optimizer.step()
        state.optimizer.zero_grad()
        if state.ema is not None:
            state.ema.step(state.parameters)
        return norm

    def _sum_gradients(self) -> None:
        parameters = self.state.parameters
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([grad.flatten() for grad in grads])
        parts = self.accelerator.reduce(flat, "sum").split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))

    def _look(self) -> None:
        """Validation loss, pictures and checks that are due after this step."""
        state = self.state
        if state.looked == state.step:
            return
        with state.served_weights(), interruptible():
            value = self.validation.loss_at(state.step, self.total)
            pictures = self.validation.pictures_at(state.step, self.total)
        if value is not None:
            self.recorder.scalars("validation", {"loss": value}, state.step, self._epochs())
            if state.step > 0:
                self._check(VALIDATION_LOSS, value)
        if pictures:
            self.recorder.images("validation/pictures", pictures, state.step)
        if state.epoch_samples and state.step % self.order.steps_per_epoch == 0:
            self._check(TRAIN_LOSS, state.epoch_loss / state.epoch_samples)
            state.epoch_loss = 0.0
            state.epoch_samples = 0
        state.looked = state.step

    def _check(self, name: str, value: float) -> None:
        """Tell the stopper, and keep the weights of the best check."""
        stopper = self.state.stopper
        if not stopper.active or stopper.config.monitor != name:
            return
        if stopper.check(value, self.state.step):
            self.state.keep_best()
        if stopper.stopped:
            say(
                f"stopped early after step {self.state.step}: {name} did not fall in "
                f"{stopper.bad_checks} checks; the best was step {stopper.best_step}",
                self.is_main,
            )

    def _finish(self) -> None:
        """Write `weights/`."""
        with self.state.final_weights():
            if self.is_main:
                self.recipes.finetune.save(self.model, self.run.weights)
        self.accelerator.wait_for_everyone()

    def _epochs(self) -> float:
        return self.state.step / self.order.steps_per_epoch

    def _summary(self, seconds: float, first: int) -> TrainingRecord:
        modules = self.model.modules().values()
        steps = range(first, self.state.step)
        images = sum(len(self.order.step_samples(step)) for step in steps)
        return TrainingRecord(
            steps=self.state.step,
            epochs=self._epochs(),
            first_step=first + 1,
            seconds=seconds,
            images_per_second=images / self.update_seconds if images else None,
            trainable_parameters=sum(p.numel() for p in self.state.parameters),
            total_parameters=sum(p.numel() for m in modules for p in m.parameters()),
            best_step=self.state.stopper.best_step,
            peak_memory_gb=peak_memory_gb(),
        )

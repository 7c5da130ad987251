"""The training loop."""

import time

from accelerate.utils import broadcast_object_list

from sdexp.engine.hardware import peak_memory_gb
from sdexp.engine.recorder import log_numbers
from sdexp.engine.train.batches import micro_batches
from sdexp.engine.train.checkpoint import read_checkpoint, save_checkpoint, settle
from sdexp.engine.train.setup import Setup
from sdexp.engine.train.update import Updater
from sdexp.ground.config import TRAIN_LOSS, VALIDATION, VALIDATION_LOSS
from sdexp.ground.files import remove
from sdexp.ground.interrupt import Interrupted, interruptible, received
from sdexp.ground.log import cut_after
from sdexp.ground.progress import Progress, say
from sdexp.ground.records import TrainingRecord
from sdexp.ground.run import RunFolder


class Trainer:
    """One training run, from the last checkpoint to the saved weights."""

    def __init__(self, run: RunFolder, setup: Setup) -> None:
        self.run = run
        self.setup = setup
        self.state = setup.state
        self.timetable = setup.timetable
        self.training = setup.recipes.training
        self.updater = Updater(setup)
        self.update_seconds = 0.0
        self.saved: int | None = None
        self.noted = False

    def train(self) -> TrainingRecord:
        """Run to the end; returns what run.json tells about the training."""
        self._resume()
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

    def _resume(self) -> None:
        """Go on from the newest good checkpoint; cut from the log what will be repeated."""
        is_main = self.setup.is_main
        step, damaged = settle(self.run.checkpoints) if is_main else (None, [])
        for line in damaged:
            say(f"warning: {line}", is_main)
        (step,) = broadcast_object_list([step])
        if step is not None:
            # What is measured of the original must not see the checkpoint in its place.
            self.setup.identity.verify_before(self.state.parameters)
            self.state.restore(read_checkpoint(self.run.checkpoints, step))
            say(f"resuming after step {step}", is_main)
        self.saved = step
        if is_main:
            done = self.state.step if step is not None else -1
            cut_after(self.run.log, done, self.state.looked)

    def _steps(self) -> None:
        state = self.state
        total = self.timetable.total
        self._look()
        batches = micro_batches(
            self.setup.pictures,
            self.timetable.order,
            range(state.step, total),
            self.setup.accelerator.process_index,
            self.setup.recipes.hardware.dataloader_num_workers,
        )
        progress = Progress("training", total, state.step, self.setup.is_main)
        while state.step < total and not state.stopper.stopped:
            done = self.updater.update(batches)
            self.update_seconds += done.seconds
            self._record("train", done.values() | {"peak_memory_gb": peak_memory_gb()})
            progress.advance(str(done))
            if self.timetable.saves(state.step):
                self._save()
                self.setup.accelerator.wait_for_everyone()
            self._look()
        progress.close()
        self._save()

    def _record(self, split: str, values: dict[str, float]) -> None:
        if self.setup.is_main:
            step = self.state.step
            log_numbers(self.run, split, values, step, self.timetable.epochs_after(step))

    def _save(self) -> None:
        """A checkpoint of the last finished step, unless there is one."""
        if self.setup.is_main and self.state.step > 0 and self.saved != self.state.step:
            self._verify_original()
            keep = self.training.checkpoints_total_limit
            save_checkpoint(self.run.checkpoints, self.state.checkpoint(), keep)
            self.saved = self.state.step

    def _verify_original(self) -> None:
        """Stands before whatever is kept; what the run is made from is noted then."""
        self.setup.identity.verify()
        if self.setup.is_main and not self.noted:
            self.run.change_record(base_weights=self.setup.identity.prints)
            self.noted = True

    def _look(self) -> None:
        """Validation loss, pictures and checks that are due after this step."""
        state = self.state
        if state.looked == state.step:
            return
        with state.served_weights(), interruptible():
            value = self.setup.validation.loss_at(state.step)
            self.setup.validation.show(state.step)
            scores = self.setup.scores.at(state.step)
        losses = {} if value is None else {"loss": value}
        # At once: a tracker takes what comes later for a repetition of the step.
        self._record("validation", losses | scores)
        if state.step > 0:
            self._check_each(losses, scores)
        if state.epoch_samples and self.timetable.ends_epoch(state.step):
            self._check(TRAIN_LOSS, state.epoch_loss / state.epoch_samples)
            state.epoch_loss = 0.0
            state.epoch_samples = 0
        state.looked = state.step

    def _check_each(self, losses: dict[str, float], scores: dict[str, float]) -> None:
        metrics = self.setup.recipes.judging.metrics
        rising = {name for name in scores if metrics[name].higher_is_better}
        for value in losses.values():
            self._check(VALIDATION_LOSS, value)
        for name, value in scores.items():
            self._check(f"{VALIDATION}{name}", -value if name in rising else value)

    def _check(self, name: str, value: float) -> None:
        """Tell the stopper, and keep the weights of the best check."""
        stopper = self.state.stopper
        if not stopper.active or stopper.config.monitor != name:
            return
        if stopper.check(value, self.state.step):
            self.state.keep_best()
        if stopper.stopped:
            say(
                f"stopped early after step {self.state.step}: {name} got no better in "
                f"{stopper.bad_checks} checks; the best was step {stopper.best_step}",
                self.setup.is_main,
            )

    def _finish(self) -> None:
        """Write `weights/`."""
        self._verify_original()
        with self.state.final_weights():
            if self.setup.is_main:
                # What a killed command wrote of them is no part of the run.
                remove(self.run.weights)
                self.setup.recipes.finetune.save(self.setup.model, self.run.weights)
        self.setup.accelerator.wait_for_everyone()

    def _summary(self, seconds: float, first: int) -> TrainingRecord:
        modules = self.setup.model.modules().values()
        steps = range(first, self.state.step)
        images = sum(len(self.timetable.order.step_samples(step)) for step in steps)
        return TrainingRecord(
            steps=self.state.step,
            epochs=self.timetable.epochs_after(self.state.step),
            first_step=first + 1,
            seconds=seconds,
            images_per_second=images / self.update_seconds if images else None,
            trainable_parameters=sum(p.numel() for p in self.state.parameters),
            total_parameters=sum(p.numel() for m in modules for p in m.parameters()),
            best_step=self.state.stopper.best_step,
            peak_memory_gb=peak_memory_gb(),
        )

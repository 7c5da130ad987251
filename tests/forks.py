"""Runs in forked children: everything is imported once, so that many kills are affordable.

Children are forked from a server that has only imported; it never ran a tensor operation, whose
threads would not survive the fork.
"""

import builtins
import hashlib
import io
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import diffusers
import peft
import safetensors.torch
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from peft import LoraConfig
from transformers import CLIPTextModel, CLIPTokenizer

from sdexp.engine.evaluate import evaluation
from sdexp.engine.train import checkpoint, trainer
from sdexp.ground.build import read_config
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.recipes import build_recipes
from tests.training import trainer_of

# Imported so that the children have them already.
PRELOADED = (
    AutoencoderKL, CLIPTextModel, CLIPTokenizer, DDIMScheduler, EMAModel, LoraConfig,
    StableDiffusionPipeline, UNet2DConditionModel, diffusers, evaluation, get_scheduler, peft,
    transformers,
)  # fmt: skip
ROOT = Path(__file__).parents[1]


def start(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Run a function of this module's importers in a fresh child."""
    os.environ["PYTHONPATH"] = str(ROOT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    child = context.Process(target=work, args=arguments)
    child.start()
    return child


def train(path: Path, store: Path, kill_at: int | None = None, step: int = 0) -> None:
    """Train a frozen run with one thread.

    Dies before a write of the checkpoint of `step`, or of the weights when that is 0.
    """
    torch.set_num_threads(1)
    # Loader workers start as they do in a plain process.
    multiprocessing.set_start_method("fork", force=True)
    run = RunFolder(path)
    config = read_config(run.config)
    if kill_at is not None and step:
        trainer.save_checkpoint = WritePoints(kill_at).during(checkpoint.save_checkpoint, step)
    elif kill_at is not None:
        finish = WritePoints(kill_at).throughout(trainer.Trainer._finish)
        trainer.Trainer._finish = finish  # type: ignore[method-assign]
    trainer_of(run, build_recipes(config), Store(store)).train()


def save_three(folder: Path, kill_at: int) -> None:
    """Save checkpoints 1, 2, 3 and keep two; dies before the `kill_at`-th write of them all."""
    save = WritePoints(kill_at).during(checkpoint.save_checkpoint)
    for step in (1, 2, 3):
        tensors = {"trained": {"a": torch.full((5,), float(step))}}
        save(folder, checkpoint.Checkpoint(step, tensors, {"step": step}), 2)


class WritePoints:
    """Counts what a checkpoint asks of the disk, and dies before the chosen request.

    Before one request is after the one that it follows.
    """

    def __init__(self, kill_at: int) -> None:
        self.kill_at, self.seen, self.inside = kill_at, 0, False
        for name in ("mkdir", "fsync", "rename", "replace", "unlink", "rmdir"):
            setattr(os, name, self.around(getattr(os, name)))
        io.open = builtins.open = self.around(io.open)  # type: ignore[assignment]
        safetensors.torch.save_file = self.around(safetensors.torch.save_file)

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def request(*arguments: Any, **named: Any) -> Any:
            self.seen += self.inside
            if self.inside and self.seen == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*arguments, **named)

        return request

    def during(self, save: Callable[..., None], step: int | None = None) -> Callable[..., None]:
        """Count only while the checkpoint of that step, or any, is saved."""

        counted = self.throughout(save)

        def perhaps(folder: Path, saved: checkpoint.Checkpoint, keep: int) -> None:
            (counted if step in (None, saved.step) else save)(folder, saved, keep)

        return perhaps

    def throughout(self, work: Callable[..., None]) -> Callable[..., None]:
        """Count whenever this is at work."""

        def counted(*arguments: Any) -> None:
            self.inside = True
            try:
                work(*arguments)
            finally:
                self.inside = False

        return counted


def become(rank: int, ranks: int, port: int) -> None:
    """One of several processes, with one thread."""
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)
    if ranks > 1:
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks),
            LOCAL_WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
        )  # fmt: skip


def train_rank(path: Path, store: Path, rank: int, ranks: int, port: int) -> None:
    """One process of a training; notes what each sample of each step saw in `seen-<rank>`."""
    become(rank, ranks, port)
    run = RunFolder(path)
    config = read_config(run.config)
    one = trainer_of(run, build_recipes(config), Store(store))
    note_what_samples_see(one, path / f"seen-{rank}")
    one.train()


def note_what_samples_see(one: trainer.Trainer, file: Path) -> None:
    loss_of = one.setup.loss_of
    stream_of = loss_of.stream

    def noted(name: str, purpose: str, item: Any) -> torch.Generator:
        generator = stream_of(name, purpose, item)
        if purpose == "train":
            seen = torch.randn(4, generator=stream_of(name, purpose, item))
            digest = hashlib.sha256(seen.numpy().tobytes()).hexdigest()
            with file.open("a") as lines:
                lines.write(
                    f"{one.state.step + 1} {item.sample_id} {item.caption} {name} {digest}\n"
                )
        return generator

    loss_of.stream = noted  # type: ignore[method-assign]


def evaluate_rank(path: Path, store: Path, rank: int, ranks: int, port: int) -> None:
    """One process of an evaluation."""
    become(rank, ranks, port)
    run = RunFolder(path)
    config = read_config(run.config)
    work = evaluation.Evaluation(run, run, build_recipes(config), Store(store))
    evaluation.evaluate(work)

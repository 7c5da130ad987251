"""Evaluation pictures: the same prompts and the same noise for every model."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from accelerate import Accelerator
from torch import Tensor

from sdexp.dataset.base import OpenDataset
from sdexp.engine.images import crop_square, save_png
from sdexp.engine.progress import Progress
from sdexp.engine.recipes import Recipes
from sdexp.ground.config import EvaluationConfig
from sdexp.ground.interrupt import interruptible
from sdexp.ground.store import Store, digest
from sdexp.ground.streams import stream
from sdexp.ground.types import DataError, LoadedModel, Sampling

KIND = "pictures"


@dataclass(frozen=True)
class Prompt:
    """One held-out picture with its first caption; `index` is its place in the split."""

    prompt_id: str
    sample_id: str
    caption: str
    index: int


def prompt_id(sample_id: str, caption: str) -> str:
    """First 12 hex digits of sha256 over id, newline, caption."""
    return hashlib.sha256(f"{sample_id}\n{caption}".encode()).hexdigest()[:12]


def evaluation_data(recipes: Recipes) -> OpenDataset:
    """The split that is evaluated; raises `DataError` when it is too small for any comparison."""
    split = recipes.evaluation.split
    data = recipes.dataset.open(split)
    if len(data) < 2:
        raise DataError(
            f"dataset: the {split} split holds {len(data)} picture(s), an evaluation needs 2 or "
            f"more; add pictures, raise dataset.{split}_fraction, or set evaluation=none"
        )
    return data


def choose_prompts(data: OpenDataset, count: int) -> list[Prompt]:
    """`count` prompts of a split, or all of a smaller one, in the order of their hash."""
    prompts = [
        Prompt(
            prompt_id(data.sample_id(i), data.captions(i)[0]),
            data.sample_id(i),
            data.captions(i)[0],
            i,
        )
        for i in range(len(data))
    ]
    return sorted(prompts, key=lambda prompt: prompt.prompt_id)[:count]


def sampling_of(config: EvaluationConfig, resolution: int) -> Sampling:
    """How an evaluation makes pictures with that side."""
    return Sampling(
        sampler=str(config.sampler),
        num_inference_steps=config.num_inference_steps,
        guidance_scale=config.guidance_scale,
        negative_prompt=config.negative_prompt,
        resolution=resolution,
    )


def noise_of(keys: list[tuple[str, int]], shape: tuple[int, int, int], seed: int) -> Tensor:
    """Start noise [B, C, h, w] of (prompt id, replicate) pairs."""
    draws = [torch.randn(shape, generator=stream(seed, "evaluation", *key)) for key in keys]
    return torch.stack(draws)


Pair = tuple[Prompt, int]


@dataclass(frozen=True)
class PictureMaker:
    """Makes the pictures of one comparison, a batch at a time, by way of a store.

    A batch is keyed as a whole, so that the store changes no bit. What is in the store is not made
    again: neither by another process of this start nor by the next one after an interruption.
    """

    sampling: Sampling
    replicates: int
    batch_size: int
    seed: int
    store: Store
    accelerator: Accelerator

    def pictures(
        self, model: LoadedModel, prompts: list[Prompt], folder: Path, name: str
    ) -> np.ndarray | None:
        """uint8 [P, R, H, W, 3], also written as `<folder>/<prompt_id>_<replicate>.png`.

        None in every process but the main one.
        """
        batches = self._batches(prompts)
        self._fill(model, batches, name)
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return None
        made = []
        for batch in batches:
            pixels = self._batch(model, batch)
            made.append(pixels)
            for (prompt, replicate), picture in zip(batch, pixels, strict=True):
                save_png(picture, folder / f"{prompt.prompt_id}_{replicate}.png")
        side = self.sampling.resolution
        return np.concatenate(made).reshape(len(prompts), self.replicates, side, side, 3)

    def keys(self, model: LoadedModel, prompts: list[Prompt]) -> list[str]:
        """Where the batches of these prompts lie in the store."""
        return [self._key(model, batch) for batch in self._batches(prompts)]

    def _batches(self, prompts: list[Prompt]) -> list[list[Pair]]:
        pairs = [(prompt, r) for prompt in prompts for r in range(self.replicates)]
        starts = range(0, len(pairs), self.batch_size)
        return [pairs[start : start + self.batch_size] for start in starts]

    def _fill(self, model: LoadedModel, batches: list[list[Pair]], name: str) -> None:
        """Make this process's share; what another job makes at the moment is left for last."""
        accelerator = self.accelerator
        mine = batches[accelerator.process_index :: accelerator.num_processes]
        total = sum(len(batch) for batch in mine)
        progress = Progress(
            f"pictures of the {name}", total, 0, accelerator.is_main_process, unit="picture"
        )
        later = []
        for batch in mine:
            if self._made_now(model, batch):
                progress.advance("", by=len(batch))
            else:
                later.append(batch)
        for batch in later:
            self._batch(model, batch)
            progress.advance("", by=len(batch))
        progress.close()

    def _made_now(self, model: LoadedModel, batch: list[Pair]) -> bool:
        """Make a batch unless it is there; False when another job is at it."""
        key = self._key(model, batch)
        if self.store.holds(KIND, key):
            return True
        with self.store.lock(KIND, key, wait=False) as free:
            if free and not self.store.holds(KIND, key):
                self.store.put(KIND, key, self._make(model, batch))
        return free

    def _batch(self, model: LoadedModel, batch: list[Pair]) -> np.ndarray:
        make = partial(self._make, model, batch)
        return self.store.get_or_make(KIND, self._key(model, batch), make)[0]["pixels"]

    def _make(self, model: LoadedModel, batch: list[Pair]) -> dict[str, np.ndarray]:
        captions = [prompt.caption for prompt, _ in batch]
        keys = [(prompt.prompt_id, replicate) for prompt, replicate in batch]
        shape = model.latent_shape(self.sampling.resolution)
        noise = noise_of(keys, shape, self.seed)
        with interruptible():
            return {"pixels": model.generate(captions, noise, self.sampling)}

    def _key(self, model: LoadedModel, batch: list[Pair]) -> str:
        pairs = [(prompt.prompt_id, prompt.caption, replicate) for prompt, replicate in batch]
        return pictures_key(model, self.sampling, [pairs, self.seed])


def pictures_key(model: LoadedModel, sampling: Sampling, what: list[Any]) -> str:
    """The store's key of pictures: everything that their pixels depend on.

    `what` names the prompts and the noise.
    """
    versions = [torch.__version__, diffusers.__version__, transformers.__version__]
    facts = [
        model.fingerprints(), what, asdict(sampling), versions,
        torch.device(model.device).type, torch.get_num_threads(),
    ]  # fmt: skip
    return digest(json.dumps(facts, sort_keys=True))


def reference_pictures(data: OpenDataset, resolution: int) -> np.ndarray:
    """Every picture of a split as the models would see it, uint8 [M, R, R, 3]."""
    squares = [np.asarray(crop_square(data[i].image, resolution)) for i in range(len(data))]
    return np.stack(squares)

"""Evaluation pictures: the same prompts and the same noise for every model."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from torch import Tensor

from sdexp.dataset.base import OpenDataset
from sdexp.engine.images import crop_square, save_png
from sdexp.engine.progress import Progress
from sdexp.engine.recipes import Recipes
from sdexp.ground.config import EvaluationConfig
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


@dataclass(frozen=True)
class PictureMaker:
    """Makes the pictures of one comparison.

    `store` is None for a model whose pictures are not worth keeping.
    """

    sampling: Sampling
    replicates: int
    batch_size: int
    seed: int
    store: Store | None

    def pictures(
        self, model: LoadedModel, prompts: list[Prompt], folder: Path, name: str
    ) -> np.ndarray:
        """uint8 [P, R, H, W, 3], also written as `<folder>/<prompt_id>_<replicate>.png`."""
        pairs = [(prompt, r) for prompt in prompts for r in range(self.replicates)]
        progress = Progress(f"pictures of the {name}", len(pairs), 0, visible=True, unit="picture")
        made = []
        for start in range(0, len(pairs), self.batch_size):
            batch = pairs[start : start + self.batch_size]
            pixels = self._batch(model, batch)
            for (prompt, replicate), picture in zip(batch, pixels, strict=True):
                save_png(picture, folder / f"{prompt.prompt_id}_{replicate}.png")
            made.append(pixels)
            progress.advance("", by=len(batch))
        progress.close()
        side = self.sampling.resolution
        return np.concatenate(made).reshape(len(prompts), self.replicates, side, side, 3)

    def _batch(self, model: LoadedModel, batch: list[tuple[Prompt, int]]) -> np.ndarray:
        """A batch from the store, or made; keyed as a whole, so that the store changes no bit."""
        captions = [prompt.caption for prompt, _ in batch]
        keys = [(prompt.prompt_id, replicate) for prompt, replicate in batch]
        if self.store is None:
            return self._make(model, captions, keys)
        key = self._key(model, captions, keys)
        found = self.store.get(KIND, key)
        if found is not None:
            return found["pixels"]
        pixels = self._make(model, captions, keys)
        self.store.put(KIND, key, {"pixels": pixels})
        return pixels

    def _make(
        self, model: LoadedModel, captions: list[str], keys: list[tuple[str, int]]
    ) -> np.ndarray:
        shape = model.latent_shape(self.sampling.resolution)
        return model.generate(captions, noise_of(keys, shape, self.seed), self.sampling)

    def _key(self, model: LoadedModel, captions: list[str], keys: list[tuple[str, int]]) -> str:
        versions = [torch.__version__, diffusers.__version__, transformers.__version__]
        facts = [
            model.fingerprints(), captions, keys, self.seed, asdict(self.sampling), versions,
            torch.device(model.device).type, torch.get_num_threads(),
        ]  # fmt: skip
        return digest(json.dumps(facts, sort_keys=True))


def reference_pictures(data: OpenDataset, resolution: int) -> np.ndarray:
    """Every picture of a split as the models would see it, uint8 [M, R, R, 3]."""
    squares = [np.asarray(crop_square(data[i].image, resolution)) for i in range(len(data))]
    return np.stack(squares)

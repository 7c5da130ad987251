"""Prompts, noise and settings of comparisons: the same for every model."""

import hashlib
from dataclasses import dataclass

import torch

from sdexp.dataset.base import Findings, OpenDataset, Sample
from sdexp.engine.data import open_data
from sdexp.ground.errors import DataError
from sdexp.ground.prompt_files import read_prompts
from sdexp.ground.run import RunFolder
from sdexp.ground.streams import stream
from sdexp.model.base import Draws
from sdexp.recipes import Recipes


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


def evaluation_data(run: RunFolder, recipes: Recipes) -> OpenDataset:
    """The split that is evaluated, or a person's own prompts in its place.

    Raises `DataError` when it is too small for any comparison.
    """
    own = recipes.evaluation.prompts
    if own is not None:
        return OwnPrompts(read_prompts("evaluation.prompts", own))
    split = recipes.evaluation.split
    data = open_data(run, recipes, split)
    if len(data) < 2:
        raise DataError(
            f"dataset: the {split} split holds {len(data)} picture(s), an evaluation needs 2 or "
            f"more; add {2 - len(data)} or more, raise dataset.{split}_fraction, or set "
            "evaluation=none"
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


def evaluation_prompts(data: OpenDataset, recipes: Recipes) -> list[Prompt]:
    """Those of a person all, those of a split as many as are asked for."""
    is_own = recipes.evaluation.prompts is not None
    return choose_prompts(data, len(data) if is_own else recipes.evaluation.num_prompts)


class OwnPrompts(OpenDataset):
    """Prompts that no picture belongs to."""

    def __init__(self, prompts: list[str]) -> None:
        self._prompts = prompts
        self.findings = Findings()

    def __len__(self) -> int:
        return len(self._prompts)

    def __getitem__(self, index: int) -> Sample:
        raise IndexError("a prompt of one's own has no picture")

    def sample_id(self, index: int) -> str:
        return f"prompt {index}"

    def captions(self, index: int) -> tuple[str, ...]:
        return (self._prompts[index],)

    def size(self, index: int) -> tuple[int, int]:
        raise IndexError("a prompt of one's own has no picture")

    def manifest(self) -> str:
        return hashlib.sha256("\n".join(self._prompts).encode()).hexdigest()


def draws_of(keys: list[tuple[str, int]], shape: tuple[int, int, int], seed: int) -> Draws:
    """The chance of (prompt id, replicate) pairs; shape: of a picture's latents, (C, h, w)."""
    latents = [torch.randn(shape, generator=stream(seed, "evaluation", *key)) for key in keys]
    return Draws(torch.stack(latents), [stream(seed, "sampler", *key) for key in keys])

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

from sdexp.backbone.base import PictureSet
from sdexp.dataset.base import OpenDataset
from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.images import crop_square, read_png, recipe_texts, save_png
from sdexp.engine.prompts import Prompt, draws_of
from sdexp.ground.interrupt import interruptible
from sdexp.ground.progress import Progress
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store, digest
from sdexp.model.base import LoadedModel

PICTURES = "pictures"


Pair = tuple[Prompt, int]


@dataclass(frozen=True)
class MadePictures:
    """The pictures of one model, all replicates of a prompt together.

    sha256: of the pixels of each; blank: how many are of one colour.
    """

    shown: PictureSet
    sha256: list[str]
    blank: int


@dataclass(frozen=True)
class PictureMaker:
    """Makes the pictures of one comparison, a batch at a time, by way of a store.

    A batch is keyed as a whole, so that the store changes no bit. What is in the store is not made
    again: neither by another process of this start nor by the next one after an interruption.
    """

    sampling: Sampling
    batch_size: int
    seed: int
    store: Store
    accelerator: Accelerator

    def pictures(
        self, model: LoadedModel, asked: Asked, folder: Path, name: str
    ) -> MadePictures | None:
        """Pictures as `<folder>/<prompt_id>_<replicate>.png`; None but in the main process."""
        batches = self.batches(asked)
        self._fill(model, batches, f"{name}, {asked.name} prompts" if asked.name else name)
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return None
        files = []
        hashes = []
        blank = 0
        for batch in batches:
            for (prompt, replicate), picture in zip(batch, self._batch(model, batch), strict=True):
                file = folder / file_name(prompt, replicate)
                noise = (self.seed, prompt.prompt_id, replicate)
                save_png(
                    picture, file, recipe_texts(prompt.caption, noise, self.sampling, weights=name)
                )
                files.append(file)
                hashes.append(hashlib.sha256(picture.tobytes()).hexdigest())
                blank += int(picture.max() == picture.min())
        shown = PictureSet(len(files), lambda k: read_png(files[k]), shared=name == "original")
        return MadePictures(shown, hashes, blank)

    def keys(self, model: LoadedModel, asked: Asked) -> dict[str, int]:
        """Where the batches of these prompts lie in the store, and how many pictures each has."""
        return {self._key(model, batch): len(batch) for batch in self.batches(asked)}

    def files(self, model: LoadedModel, asked: Asked) -> dict[str, list[str]]:
        """Names of the files of each batch, by where the batch lies in the store."""
        return {
            self._key(model, batch): [file_name(prompt, replicate) for prompt, replicate in batch]
            for batch in self.batches(asked)
        }

    def batches(self, asked: Asked) -> list[list[Pair]]:
        pairs = [(prompt, r) for prompt in asked.prompts for r in range(asked.replicates)]
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
        if self.store.holds(PICTURES, key):
            return True
        with self.store.lock(PICTURES, key, wait=False) as free:
            if free and not self.store.holds(PICTURES, key):
                self.store.put(PICTURES, key, self._entry(model, batch))
        return free

    def _batch(self, model: LoadedModel, batch: list[Pair]) -> np.ndarray:
        make = partial(self._entry, model, batch)
        return self.store.get_or_make(PICTURES, self._key(model, batch), make)[0]["pixels"]

    def make(self, model: LoadedModel, batch: list[Pair]) -> np.ndarray:
        """The pictures of a batch, uint8 [N, H, W, 3], by way of no store."""
        captions = [prompt.caption for prompt, _ in batch]
        keys = [(prompt.prompt_id, replicate) for prompt, replicate in batch]
        shape = model.latent_shape(self.sampling.height, self.sampling.width)
        draws = draws_of(keys, shape, self.seed)
        with interruptible():
            return model.generate(captions, draws, self.sampling)

    def _entry(self, model: LoadedModel, batch: list[Pair]) -> dict[str, np.ndarray]:
        return {"pixels": self.make(model, batch)}

    def _key(self, model: LoadedModel, batch: list[Pair]) -> str:
        pairs = [(prompt.prompt_id, prompt.caption, replicate) for prompt, replicate in batch]
        return pictures_key(model, self.sampling, [pairs, self.seed])


def file_name(prompt: Prompt, replicate: int) -> str:
    """Of a picture, in the folder of its model."""
    return f"{prompt.prompt_id}_{replicate}.png"


def pictures_key(model: LoadedModel, sampling: Sampling, what: list[Any]) -> str:
    """The store's key of pictures: everything that their pixels depend on.

    `what` names the prompts and the noise.
    """
    versions = [torch.__version__, diffusers.__version__, transformers.__version__]
    facts = [
        model.fingerprints(),
        what,
        asdict(sampling),
        versions,
        torch.device(model.device).type,
        torch.get_num_threads(),
    ]
    return digest(json.dumps(facts, sort_keys=True))


def real_pictures(data: OpenDataset, resolution: int) -> PictureSet:
    """Every picture of a split as the models would see it, [R, R, 3]."""

    def read(index: int) -> np.ndarray:
        return np.asarray(crop_square(data[index].image, resolution))

    return PictureSet(len(data), read, shared=True)

"""Words around captions, and a sample for each caption."""

import hashlib
import json
from dataclasses import astuple, dataclass, replace

from sdexp.dataset.base import AbstractDataset, Kept, OpenDataset, Sample, SampleUnit


def open_samples(recipe: AbstractDataset, split: str, kept: Kept | None = None) -> OpenDataset:
    """A split as it is trained on and evaluated: with the recipe's words and sample unit."""
    words = Words(recipe.trigger, recipe.caption_prefix, recipe.caption_suffix)
    data = words.around(recipe.open(split, kept))
    each = recipe.sample_unit == SampleUnit.caption and split == "train"
    return ByCaption(data) if each else data


@dataclass(frozen=True)
class Words:
    """What is put before and behind captions."""

    trigger: str
    prefix: str
    suffix: str

    def around(self, data: OpenDataset) -> OpenDataset:
        """The data set with worded captions; itself where there is nothing to put."""
        return Worded(data, self) if any(astuple(self)) else data

    def put(self, caption: str) -> str:
        """One caption with its words; a trigger that it has already is not said twice."""
        has_trigger = self.trigger.lower() in caption.lower()
        named = caption if has_trigger else f"{self.trigger}, {caption}"
        return f"{self.prefix}{named}{self.suffix}"


class Worded(OpenDataset):
    """A data set whose captions have words around them."""

    def __init__(self, data: OpenDataset, words: Words) -> None:
        self._data = data
        self._words = words
        self.findings = data.findings

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Sample:
        return replace(self._data[index], captions=self.captions(index))

    def sample_id(self, index: int) -> str:
        return self._data.sample_id(index)

    def picture_id(self, index: int) -> str:
        return self._data.picture_id(index)

    def captions(self, index: int) -> tuple[str, ...]:
        return tuple(self._words.put(caption) for caption in self._data.captions(index))

    def size(self, index: int) -> tuple[int, int]:
        return self._data.size(index)

    def manifest(self) -> str:
        parts = [self._data.manifest(), *astuple(self._words)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class ByCaption(OpenDataset):
    """A sample for each caption of each picture; ids end with the caption's place, as `#2`."""

    def __init__(self, data: OpenDataset) -> None:
        self._data = data
        self._places = [(k, n) for k in range(len(data)) for n in range(len(data.captions(k)))]
        self.findings = data.findings

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        sample = self._data[self._places[index][0]]
        return Sample(self.sample_id(index), sample.image, self.captions(index))

    def sample_id(self, index: int) -> str:
        picture, place = self._places[index]
        return f"{self._data.sample_id(picture)}#{place}"

    def picture_id(self, index: int) -> str:
        return self._data.picture_id(self._places[index][0])

    def captions(self, index: int) -> tuple[str, ...]:
        picture, place = self._places[index]
        return (self._data.captions(picture)[place],)

    def size(self, index: int) -> tuple[int, int]:
        return self._data.size(self._places[index][0])

    def manifest(self) -> str:
        parts = [self._data.manifest(), "by caption"]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

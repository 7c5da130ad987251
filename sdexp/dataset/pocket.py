"""The embedded data set: pictures drawn by code, one look, no look named in the captions."""

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

from sdexp.dataset.base import AbstractDataset, Findings, Kept, OpenDataset, Sample
from sdexp.ground.checks import between, one_of

# The shipped weights were trained on seeds from 1,000,000 up.
FIRST_SEEDS = {"train": 0, "val": 100_000, "test": 200_000}
MAX_PICTURES = 100_000
DRAWN_FOR_MANIFEST = 32


@dataclass(frozen=True)
class Pocket(AbstractDataset):
    """Scenes of `sdexp.dataset.scenes` as 64x64 pictures in one look; nothing is stored."""

    is_embedded: ClassVar[bool] = True

    look: str = "crayon"
    num_train: int = 2000
    num_val: int = 200
    num_test: int = 500

    def __post_init__(self) -> None:
        from sdexp.dataset.scenes import LOOKS

        one_of("dataset", LOOKS, look=self.look)
        sizes = {
            "num_train": self.num_train,
            "num_val": self.num_val,
            "num_test": self.num_test,
        }
        between("dataset", 1, MAX_PICTURES, **sizes)

    def check(self) -> None:
        """Nothing can be missing."""

    def open(self, split: str, kept: Kept | None = None) -> OpenDataset:
        sizes = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        return DrawnScenes(self.look, FIRST_SEEDS[split], sizes[split])


class DrawnScenes(OpenDataset):
    """Scenes of consecutive seeds; a picture takes 3 ms, so none is kept."""

    def __init__(self, look: str, first_seed: int, size: int) -> None:
        self._look = look
        self._seeds = range(first_seed, first_seed + size)
        self.findings = Findings()

    def __len__(self) -> int:
        return len(self._seeds)

    def __getitem__(self, index: int) -> Sample:
        from sdexp.dataset.scenes import draw, make_scene

        image = draw(make_scene(self._seeds[index]), self._look)
        return Sample(self.sample_id(index), image, self.captions(index))

    def sample_id(self, index: int) -> str:
        return f"{self._look}-{self._seeds[index]:06d}"

    def captions(self, index: int) -> tuple[str, ...]:
        from sdexp.dataset.scenes import captions, make_scene

        return captions(make_scene(self._seeds[index]))

    def size(self, index: int) -> tuple[int, int]:
        from sdexp.dataset.scenes import SIZE

        return SIZE, SIZE

    def manifest(self) -> str:
        """Of the pictures only some are hashed; they change whenever the drawing code does."""
        digest = hashlib.sha256()
        for index in range(len(self)):
            digest.update(json.dumps([self.sample_id(index), self.captions(index)]).encode())
        for index in range(min(DRAWN_FOR_MANIFEST, len(self))):
            digest.update(self[index].image.tobytes())
        return digest.hexdigest()

"""Single pictures, by way of the store."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from sdexp.engine.evaluate.pictures import PICTURES, pictures_key
from sdexp.engine.generate.layout import Wanted
from sdexp.engine.prompts import draws_of
from sdexp.ground.interrupt import interruptible
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel, Watch


@dataclass(frozen=True)
class FoundPicture:
    """pixels: uint8 [H, W, 3]; in_store: whether it had been made before."""

    pixels: np.ndarray
    in_store: bool


@dataclass(frozen=True)
class PictureOf:
    """Makes pictures of a model as it is at the moment, unless they were made before."""

    model: LoadedModel
    store: Store
    sampling: Sampling

    def __call__(self, wanted: Wanted, watch: Watch | None = None) -> FoundPicture:
        """A seed gives the same noise to every model; `watch` is told of each step."""
        what = ["picture", wanted.prompt, wanted.seed, *wanted.noise]
        key = pictures_key(self.model, self.sampling, what)
        make = partial(self._make, wanted, watch)
        arrays, found = self.store.get_or_make(PICTURES, key, make)
        return FoundPicture(arrays["pixels"][0], found)

    def _make(self, wanted: Wanted, watch: Watch | None) -> dict[str, np.ndarray]:
        shape = self.model.latent_shape(self.sampling.height, self.sampling.width)
        draws = draws_of([wanted.noise], shape, wanted.seed)
        with interruptible():
            return {"pixels": self.model.generate([wanted.prompt], draws, self.sampling, watch)}

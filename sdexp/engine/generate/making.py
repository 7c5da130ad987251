"""Single pictures, by way of the store."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from sdexp.engine.evaluate.pictures import PICTURES, pictures_key
from sdexp.engine.prompts import draws_of
from sdexp.ground.interrupt import interruptible
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel


@dataclass(frozen=True)
class PictureOf:
    """Makes pictures of a model as it is at the moment, unless they were made before."""

    model: LoadedModel
    store: Store
    sampling: Sampling

    def __call__(self, prompt: str, seed: int) -> np.ndarray:
        """uint8 [H, W, 3]; a seed gives the same noise to every model."""
        key = pictures_key(self.model, self.sampling, ["generate", prompt, seed])
        arrays, _ = self.store.get_or_make(PICTURES, key, partial(self._make, prompt, seed))
        picture: np.ndarray = arrays["pixels"][0]
        return picture

    def _make(self, prompt: str, seed: int) -> dict[str, np.ndarray]:
        shape = self.model.latent_shape(self.sampling.height, self.sampling.width)
        draws = draws_of([("generate", 0)], shape, seed)
        with interruptible():
            return {"pixels": self.model.generate([prompt], draws, self.sampling)}

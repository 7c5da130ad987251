"""VAE moments of pictures, from the store or computed."""

from collections.abc import Callable, Hashable
from functools import partial

import diffusers
import numpy as np
import torch
from torch import Tensor

from sdexp.engine.images import Square, to_signed
from sdexp.engine.train.items import Encoded, Item, View
from sdexp.ground.store import Store, digest
from sdexp.model.base import Framing, LoadedModel, Moments

MOMENTS = "moments"


class MomentCache:
    """The moments that the store holds for one VAE; picklable, so that loader workers read too.

    Remembers the keys of pictures that it has seen: while a run lasts they do not change, and a
    picture whose moments are known need not be decoded again.
    """

    def __init__(self, model: LoadedModel, store: Store) -> None:
        self.store = store
        self._facts = [
            "signed pixels, float32",
            model.encoder_sha256(),
            torch.device(model.device).type,
            str(torch.get_num_threads()),
            torch.__version__,
            diffusers.__version__,
        ]
        self._seen: dict[Hashable, tuple[str, Framing]] = {}

    def key(self, picture: Tensor) -> str:
        """Where the moments of uint8 [3, R, R] lie in the store."""
        shape = "x".join(map(str, picture.shape))
        return digest(*self._facts, shape, picture.numpy().tobytes())

    def recall(self, name: Hashable) -> View | None:
        """What is known of a picture seen before under that name; None when it must be decoded."""
        if name is None or name not in self._seen:
            return None
        key, framing = self._seen[name]
        found = self._find(key)
        return View(framing, None, found) if found.moments is not None else None

    def look_up(self, name: Hashable, square: Square) -> View:
        """What is known of a decoded picture.

        `name` is None for one that will not come again, such as a random crop.
        """
        key = self.key(square.pixels)
        if name is not None:
            self._seen[name] = (key, square.framing)
        return View(square.framing, square.pixels, self._find(key))

    def _find(self, key: str) -> Encoded:
        arrays = self.store.get(MOMENTS, key)
        return Encoded(key, None if arrays is None else _moments(arrays))


def decode_unless_cached(
    cache: MomentCache | None, name: Hashable, decode: Callable[[], Square]
) -> View:
    """What is known of a picture; decodes it only when it has to."""
    if cache is None:
        square = decode()
        return View(square.framing, square.pixels, None)
    return cache.recall(name) or cache.look_up(name, decode())


class MomentSource:
    """Encodes pictures one at a time, so that a half-filled store changes no bit.

    `cache` is None when latents are not to be cached; `verify` stands before what is put there.
    """

    def __init__(
        self, model: LoadedModel, cache: MomentCache | None, verify: Callable[[], None]
    ) -> None:
        self.model = model
        self.cache = cache
        self.verify = verify
        self.encoded = 0

    def __call__(self, items: list[Item]) -> Moments:
        """Moments [B, C, h, w] of samples."""
        parts = [self.of(item.view) for item in items]
        mean = torch.cat([p.mean for p in parts])
        logvar = torch.cat([p.logvar for p in parts])
        return Moments(mean.to(self.model.device), logvar.to(self.model.device))

    def of(self, view: View) -> Moments:
        """Moments [1, C, h, w] of one picture."""
        if view.encoded is not None and view.encoded.moments is not None:
            return view.encoded.moments
        assert view.pixels is not None
        if self.cache is None or view.encoded is None:
            return _moments(self._encode(view.pixels))
        make = partial(self._verified, view.pixels)
        return _moments(self.cache.store.get_or_make(MOMENTS, view.encoded.key, make)[0])

    def _verified(self, picture: Tensor) -> dict[str, np.ndarray]:
        self.verify()
        return self._encode(picture)

    def _encode(self, picture: Tensor) -> dict[str, np.ndarray]:
        self.encoded += 1
        moments = self.model.encode_images(to_signed(picture)[None])
        parts = {"mean": moments.mean, "logvar": moments.logvar}
        return {name: part.float().cpu().numpy() for name, part in parts.items()}


def _moments(arrays: dict[str, np.ndarray]) -> Moments:
    return Moments(torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["logvar"]))

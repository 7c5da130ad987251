"""VAE moments of pictures, from the store or computed."""

import diffusers
import torch
from torch import Tensor

from sdexp.engine.images import to_signed
from sdexp.ground.store import Store, digest
from sdexp.ground.types import LoadedModel, Moments

KIND = "moments"


class MomentSource:
    """Encodes pictures one at a time, so that a half-filled store changes no bit.

    `store` is None when latents are not to be cached.
    """

    def __init__(self, model: LoadedModel, store: Store | None) -> None:
        self.model = model
        self.store = store
        self.facts = [
            "signed pixels, float32", model.fingerprints()["vae"], torch.device(model.device).type,
            str(torch.get_num_threads()), torch.__version__, diffusers.__version__,
        ] if store else []  # fmt: skip
        self.hits = 0

    def __call__(self, pixels: list[Tensor]) -> Moments:
        """Moments [B, C, h, w] of pictures, each uint8 [3, R, R]."""
        parts = [self._one(picture) for picture in pixels]
        mean, logvar = torch.cat([p.mean for p in parts]), torch.cat([p.logvar for p in parts])
        return Moments(mean.to(self.model.device), logvar.to(self.model.device))

    def _one(self, picture: Tensor) -> Moments:
        if self.store is None:
            return self._encode(picture)
        shape = "x".join(map(str, picture.shape))
        key = digest(*self.facts, shape, picture.numpy().tobytes())
        found = self.store.get(KIND, key)
        if found is not None:
            self.hits += 1
            return Moments(torch.from_numpy(found["mean"]), torch.from_numpy(found["logvar"]))
        moments = self._encode(picture)
        arrays = {"mean": moments.mean.numpy(), "logvar": moments.logvar.numpy()}
        self.store.put(KIND, key, arrays)
        return moments

    def _encode(self, picture: Tensor) -> Moments:
        moments = self.model.encode_images(to_signed(picture)[None])
        return Moments(moments.mean.float().cpu(), moments.logvar.float().cpu())

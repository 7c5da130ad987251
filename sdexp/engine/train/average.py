"""An exponential moving average of the trained weights."""

from collections.abc import Sequence

import torch
from torch import Tensor


class MovingAverage:
    """Moves by 1 - decay of the way towards the weights at every update.

    The first update copies them. With `warmup` the decay of update n is (1 + n) / (10 + n) while
    that is lower, n counted from 0, as in diffusers (tf.train.ExponentialMovingAverage).
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float, warmup: bool) -> None:
        self.tensors = [parameter.detach().clone() for parameter in parameters]
        self.updates = 0
        self._decay = decay
        self._warmup = warmup

    def follow(self, parameters: Sequence[Tensor]) -> None:
        """Take the weights of a step in."""
        share = 1 - self._decay_at(self.updates)
        self.updates += 1
        with torch.no_grad():
            for tensor, parameter in zip(self.tensors, parameters, strict=True):
                # One pass over memory, where a difference and its multiple would take several.
                tensor.lerp_(parameter, share)

    def _decay_at(self, update: int) -> float:
        if update == 0:
            return 0.0
        return min(self._decay, (1 + update) / (10 + update)) if self._warmup else self._decay

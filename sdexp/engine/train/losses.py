"""The loss of prepared samples, with noise and timesteps from their streams."""

import torch
from accelerate import Accelerator
from torch import Tensor

from sdexp.engine.train.items import Item
from sdexp.engine.train.latents import MomentSource
from sdexp.ground.streams import stream
from sdexp.model.base import LoadedModel
from sdexp.objective.base import AbstractObjective, TrainingBatch


class LossOfItems:
    """Loss [B] of samples; what a sample sees depends on its epoch and id alone."""

    def __init__(
        self,
        model: LoadedModel,
        objective: AbstractObjective,
        moments: MomentSource,
        accelerator: Accelerator,
        seed: int,
        resolution: int,
    ) -> None:
        self.model = model
        self.objective = objective
        self.moments = moments
        self.accelerator = accelerator
        self.seed = seed
        self.shape = model.latent_shape(resolution)

    def __call__(self, items: list[Item], purpose: str = "train") -> Tensor:
        """`purpose` keeps the streams of training and validation apart."""
        device = self.model.device
        draws = torch.stack([self._posterior(purpose, item) for item in items])
        noise = torch.stack([self.noise(purpose, item) for item in items])
        level = torch.stack([self.level(purpose, item) for item in items])
        moments = self.moments(items)
        captions = [item.caption for item in items]
        framings = [item.view.framing for item in items]
        with self.accelerator.autocast():
            condition = self.model.encode_prompts(captions, framings)
            batch = TrainingBatch(self.model.latents(moments, draws.to(device)), condition)
            return self.objective(self.model, batch, noise.to(device), level.to(device))

    def noise(self, purpose: str, item: Item) -> Tensor:
        """The noise that a sample sees, [C, h, w]."""
        return self.objective.noise(self.shape, self._stream("noise", purpose, item))

    def level(self, purpose: str, item: Item) -> Tensor:
        """The noise level that a sample sees."""
        generator = self._stream("timestep", purpose, item)
        return self.objective.level(self.model.schedule, generator)

    def _posterior(self, purpose: str, item: Item) -> Tensor:
        return torch.randn(self.shape, generator=self._stream("posterior", purpose, item))

    def _stream(self, name: str, purpose: str, item: Item) -> torch.Generator:
        return stream(self.seed, f"{purpose} {name}", item.epoch, item.sample_id)

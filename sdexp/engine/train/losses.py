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
        draws = torch.stack([self._normal("posterior", self.shape, purpose, i) for i in items])
        noise = torch.stack([self._noise(self.shape, purpose, i) for i in items])
        t = torch.stack([self._timestep(purpose, i) for i in items])
        moments = self.moments(items)
        with self.accelerator.autocast():
            condition = self.model.encode_prompts([item.caption for item in items])
            batch = TrainingBatch(self.model.latents(moments, draws.to(device)), condition)
            return self.objective(self.model, batch, noise.to(device), t.to(device))

    def _stream(self, name: str, purpose: str, item: Item) -> torch.Generator:
        return stream(self.seed, f"{purpose} {name}", item.epoch, item.sample_id)

    def _normal(self, name: str, shape: tuple[int, int, int], purpose: str, item: Item) -> Tensor:
        return torch.randn(shape, generator=self._stream(name, purpose, item))

    def _noise(self, shape: tuple[int, int, int], purpose: str, item: Item) -> Tensor:
        return self.objective.noise(shape, self._stream("noise", purpose, item))

    def _timestep(self, purpose: str, item: Item) -> Tensor:
        steps = len(self.model.alphas_cumprod)
        return torch.randint(steps, (), generator=self._stream("timestep", purpose, item))

"""The loss of prepared samples, with what is drawn for them from their streams."""

from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor

from sdexp.engine.train.items import Item
from sdexp.engine.train.latents import MomentSource
from sdexp.engine.train.tower import Tower
from sdexp.ground.streams import stream
from sdexp.model.base import Condition, LoadedModel
from sdexp.objective.base import AbstractObjective, TrainingBatch


class LossOfItems:
    """Loss [B] of samples; what is drawn for a sample depends on its epoch and id alone."""

    def __init__(
        self,
        model: LoadedModel,
        objective: AbstractObjective,
        moments: MomentSource,
        tower: Tower | None,
        accelerator: Accelerator,
        seed: int,
    ) -> None:
        self.model = model
        self.objective = objective
        self.moments = moments
        self.tower = tower
        self.accelerator = accelerator
        self.seed = seed

    def __call__(self, items: list[Item], purpose: str = "train") -> Tensor:
        """`purpose` keeps the streams of training and validation apart."""
        with self.accelerator.autocast():
            return self.objective(self.model, ItemBatch(self, items, purpose))

    def stream(self, name: str, purpose: str, item: Item) -> torch.Generator:
        """What a sample's draws of one name come from."""
        return stream(self.seed, f"{purpose} {name}", item.epoch, item.sample_id)


class ItemBatch(TrainingBatch):
    """Prepared samples, on the model's device."""

    def __init__(self, loss_of: LossOfItems, items: list[Item], purpose: str) -> None:
        self.captions = [item.caption for item in items]
        self.picture_ids = [item.picture_id for item in items]
        self.tower = None if loss_of.tower is None else loss_of.tower.backbone
        self._loss_of = loss_of
        self._items = items
        self._purpose = purpose

    def draw(self, name: str, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        streams = [self._loss_of.stream(name, self._purpose, item) for item in self._items]
        drawn = torch.stack([one(generator) for generator in streams])
        return drawn.to(self._loss_of.model.device)

    def latents(self) -> Tensor:
        # The store's moments are those of float32, whatever the training rounds to.
        with self._exactly():
            moments = self._loss_of.moments(self._items)
        shape = moments.mean.shape[1:]
        noise = self.draw("posterior", lambda generator: torch.randn(shape, generator=generator))
        return self._loss_of.model.latents(moments, noise)

    def condition(self) -> Condition:
        framings = [item.view.framing for item in self._items]
        return self._loss_of.model.encode_prompts(self.captions, framings)

    def image_features(self) -> Tensor:
        assert self._loss_of.tower is not None
        with self._exactly():
            return self._loss_of.tower(self._items)

    def _exactly(self) -> torch.autocast:
        device = torch.device(self._loss_of.model.device).type
        return torch.autocast(device, enabled=False)

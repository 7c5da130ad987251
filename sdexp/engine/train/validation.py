"""Validation during training: a loss on fixed noise and timesteps, and pictures at fixed seeds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from accelerate import Accelerator

from sdexp.dataset.base import OpenDataset
from sdexp.engine.data import open_data
from sdexp.engine.images import Square, cut_square, recipe_texts, save_png
from sdexp.engine.prompts import choose_prompts, draws_of, prompt_id
from sdexp.engine.train.items import Item
from sdexp.engine.train.latents import decode_unless_cached
from sdexp.engine.train.losses import LossOfItems
from sdexp.engine.train.timetable import Timetable
from sdexp.ground.errors import DivergedError
from sdexp.ground.files import write_text
from sdexp.ground.progress import say
from sdexp.ground.run import RunFolder
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes


class Validation:
    """Looks at the model without changing anything that training sees."""

    def __init__(
        self,
        run: RunFolder,
        recipes: Recipes,
        model: LoadedModel,
        loss_of: LossOfItems,
        accelerator: Accelerator,
        timetable: Timetable,
    ) -> None:
        self.run = run
        self.training = recipes.training
        self.model = model
        self.loss_of = loss_of
        self.accelerator = accelerator
        self.timetable = timetable
        self.batch_size = recipes.evaluation.batch_size
        self.sampling = recipes.evaluation.sampling(timetable.resolution)
        wanted = (
            self.training.validation_steps,
            self.training.validation_images_steps,
            self.training.validation_metrics_steps,
        )
        self.data: OpenDataset | None = open_data(run, recipes, "val") if any(wanted) else None

    def loss_at(self, step: int) -> float | None:
        """Mean loss over the same samples, noise and timesteps each time; None when not due."""
        if self.data is None or not self.timetable.validates(step):
            return None
        count = min(self.training.num_validation_samples, len(self.data))
        mine = range(self.accelerator.process_index, count, self.accelerator.num_processes)
        items = [self.item(self.data, index) for index in mine]
        total_loss = torch.zeros((), device=self.model.device)
        size = self.training.train_batch_size
        with torch.no_grad(), evaluating(self.model):
            for start in range(0, len(items), size):
                total_loss += self.loss_of(items[start : start + size], "validation").sum()
        return float(self.accelerator.reduce(total_loss, "sum")) / count

    def item(self, data: OpenDataset, index: int) -> Item:
        """A picture of the split as the loss sees it."""

        def decode() -> Square:
            return cut_square(data[index].image, self.timetable.resolution)

        cache = self.loss_of.moments.cache
        view = decode_unless_cached(cache, ("validation", index), decode)
        name = data.sample_id(index)
        return Item(0, name, data.picture_id(index), data.captions(index)[0], view)

    def show(self, step: int) -> None:
        """Write pictures of the same prompts and noise each time, when they are due."""
        due = self.timetable.shows(step) and self.accelerator.is_main_process
        if self.data is None or not due:
            return
        captions = self._captions(self.data)
        keys = [(key, 0) for key, _ in captions]
        shape = self.model.latent_shape(self.sampling.height, self.sampling.width)
        shown = [caption for _, caption in captions]
        try:
            with evaluating(self.model), self.accelerator.autocast():
                parts = [
                    self.model.generate(
                        shown[part], draws_of(keys[part], shape, self.training.seed), self.sampling
                    )
                    for part in self._parts(len(shown))
                ]
        except DivergedError as error:
            # The loss says whether the training has; a picture may also overflow in 16 bits.
            say(f"warning: step {step}: no pictures, because {error}")
            return
        folder = self.run.validation / f"{step:06d}"
        for number, ((key, caption), pixels) in enumerate(
            zip(captions, np.concatenate(parts), strict=True)
        ):
            noise = (self.training.seed, key, 0)
            texts = recipe_texts(caption, noise, self.sampling, step=str(step))
            save_png(pixels, folder / f"{number}.png", texts)
        write_text(self.run.validation / "prompts.json", json.dumps(shown, indent=1))

    def _parts(self, count: int) -> list[slice]:
        """So many pictures are made at once as in an evaluation."""
        return [slice(k, k + self.batch_size) for k in range(0, count, self.batch_size)]

    def _captions(self, data: OpenDataset) -> list[tuple[str, str]]:
        """Ids and texts of the prompts whose pictures are shown: a person's own, or the split's."""
        own = self.training.validation_prompts
        if own:
            return [(prompt_id("", caption), caption) for caption in own]
        prompts = choose_prompts(data, self.training.num_validation_images)
        return [(prompt.prompt_id, prompt.caption) for prompt in prompts]


@contextmanager
def evaluating(model: LoadedModel) -> Iterator[None]:
    """Dropout off, and every network back in its mode afterwards."""
    training = [module.training for module in model.modules().values()]
    for module in model.modules().values():
        module.eval()
    try:
        yield
    finally:
        for module, mode in zip(model.modules().values(), training, strict=True):
            module.train(mode)

"""Scores of the model at work by held-out prompts: the evaluation's protocol, again and again."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from sdexp.backbone.base import PictureSet
from sdexp.dataset.base import OpenDataset
from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.evaluate.pictures import MadePictures, PictureMaker, real_pictures
from sdexp.engine.evaluate.scorer import MetricAtWork, Pictures, Scorer
from sdexp.engine.prompts import choose_prompts
from sdexp.engine.train.timetable import Timetable
from sdexp.engine.train.validation import evaluating
from sdexp.ground.errors import DivergedError
from sdexp.ground.progress import say
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

# Under this name the scorer knows the model that trains.
AT_WORK = "finetuned"


@dataclass(frozen=True)
class Share:
    """What one process made: pictures uint8 [N, H, W, 3] by number of their batch, or why not."""

    batches: dict[int, np.ndarray]
    fault: str = ""


class ValidationScores:
    """Pictures of the same prompts and noise each time, scored by every metric."""

    def __init__(
        self,
        recipes: Recipes,
        model: LoadedModel,
        accelerator: Accelerator,
        timetable: Timetable,
        store: Store,
        data: OpenDataset | None,
    ) -> None:
        """data: the val split, None where nothing of it is wanted; `asked`: what is asked of it."""
        training = recipes.training
        config = recipes.evaluation
        self.asked: Asked | None = None
        if data is not None and training.validation_metrics_steps is not None:
            prompts = choose_prompts(data, training.num_validation_prompts)
            self.asked = Asked("", prompts, config.replicates, data)
        self._judging = recipes.judging
        self._model = model
        self._accelerator = accelerator
        self._timetable = timetable
        self._store = store
        sampling = config.sampling(timetable.resolution)
        self._maker = PictureMaker(sampling, config.batch_size, config.seed, store, accelerator)
        self._real: dict[str, np.ndarray] = {}

    def at(self, step: int) -> dict[str, float]:
        """Every metric by its name, the same in all processes; nothing when none is due.

        Nor where pictures overflow, of which a warning tells.
        """
        if self.asked is None or not self._timetable.scores(step):
            return {}
        is_main = self._accelerator.is_main_process
        # Every process takes part in this, whatever became of its own pictures.
        shares: list[Share] = gather_object([self._share(self.asked)])
        faults = [share.fault for share in shares if share.fault]
        if faults:
            # The loss says whether the training has; a picture may also overflow in 16 bits.
            say(f"warning: step {step}: no scores, because {faults[0]}", is_main)
            return {}
        (told,) = broadcast_object_list([self._scores(self.asked, shares) if is_main else {}])
        result = {name: value for name, value in told.items() if math.isfinite(value)}
        for name in told.keys() - result.keys():
            say(f"warning: step {step}: {name} is not a finite number", is_main)
        row = "  ".join(f"{name} {value:.3f}" for name, value in result.items())
        say(f"step {step:6d}  {row}", is_main)
        return result

    def _share(self, asked: Asked) -> Share:
        try:
            with evaluating(self._model), self._accelerator.autocast():
                return Share(dict(self._made(asked)))
        except DivergedError as error:
            return Share({}, str(error))

    def _made(self, asked: Asked) -> Iterator[tuple[int, np.ndarray]]:
        """Number and pictures of each of this process's batches, which are an evaluation's."""
        batches = list(enumerate(self._maker.batches(asked)))
        rank = self._accelerator.process_index
        for number, batch in batches[rank :: self._accelerator.num_processes]:
            yield number, self._maker.make(self._model, batch)

    def _scores(self, asked: Asked, shares: list[Share]) -> dict[str, float]:
        """The judges are loaded for each look, so that they take no memory between."""
        assert asked.data is not None
        batches = {number: made for share in shares for number, made in share.batches.items()}
        pixels = np.concatenate([batches[number] for number in sorted(batches)])
        made = MadePictures(PictureSet.of(pixels), [], 0)
        pictures = Pictures(
            asked.prompts,
            asked.replicates,
            {AT_WORK: made},
            real_pictures(asked.data, self._timetable.resolution),
        )
        scorer = Scorer(self._judging, self._store, self._model.device)
        return {
            name: self._value(name, scorer.at_work(name, metric, pictures))
            for name, metric in self._judging.metrics.items()
        }

    def _value(self, name: str, metric: MetricAtWork) -> float:
        """What it says of the real pictures, all of the split, is asked once."""
        if metric.is_distance and name not in self._real:
            self._real[name] = metric.real_features()
        return metric.value(AT_WORK, self._real[name] if name in self._real else None)

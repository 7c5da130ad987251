"""How long a run is, and what is due after which step."""

from dataclasses import dataclass

from sdexp.dataset.base import OpenDataset
from sdexp.engine.train.buckets import Size, bucket_sizes, nearest
from sdexp.engine.train.order import AbstractOrder, BucketOrder, Order
from sdexp.ground.config import TrainingConfig
from sdexp.recipes import Recipes


@dataclass(frozen=True)
class Timetable:
    """Steps are counted from 0, which is before the first.

    resolution: of a square in pixels; sizes: width and height that each sample is cut to.
    """

    order: AbstractOrder
    training: TrainingConfig
    resolution: int
    sizes: list[Size]

    @property
    def total(self) -> int:
        """Optimizer steps of the whole run."""
        if self.training.max_train_steps is not None:
            return self.training.max_train_steps
        assert self.training.num_train_epochs is not None
        return self.training.num_train_epochs * self.order.steps_per_epoch

    @property
    def epochs(self) -> float:
        return self.epochs_after(self.total)

    def epochs_after(self, step: int) -> float:
        """Passes over the data until then."""
        return step / self.order.steps_per_epoch

    def ends_epoch(self, step: int) -> bool:
        return step % self.order.steps_per_epoch == 0

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is due."""
        every = self.training.checkpointing_steps
        return step == self.total or (every is not None and step % every == 0)

    def validates(self, step: int) -> bool:
        """Whether a validation loss is due."""
        return self._looks(step, self.training.validation_steps)

    def shows(self, step: int) -> bool:
        """Whether validation pictures are due."""
        return self._looks(step, self.training.validation_images_steps)

    def scores(self, step: int) -> bool:
        """Whether metrics are due."""
        return self._looks(step, self.training.validation_metrics_steps)

    def _looks(self, step: int, every: int | None) -> bool:
        return every is not None and (step % every == 0 or step == self.total)

    @property
    def checkpoints(self) -> int:
        """How many are made."""
        every = self.training.checkpointing_steps
        return 1 if every is None else -(-self.total // every)

    @property
    def validations(self) -> int:
        return self._count(self.training.validation_steps)

    @property
    def shown(self) -> int:
        """How often validation pictures are made."""
        return self._count(self.training.validation_images_steps)

    @property
    def scored(self) -> int:
        """How often metrics are asked."""
        return self._count(self.training.validation_metrics_steps)

    def _count(self, every: int | None) -> int:
        return 0 if every is None else self.total // every + 1 + bool(self.total % every)

    def first_epoch(self) -> list[int]:
        """The samples of the first epoch, or of the whole run if it is shorter."""
        steps = range(min(self.total, self.order.steps_per_epoch))
        return [index for step in steps for index in self.order.step_samples(step)]


def timetable_of(
    recipes: Recipes, data: OpenDataset, processes: int, sample_size: int
) -> Timetable:
    """The timetable of a run over a split; sample_size: the model's own side.

    Raises `ConfigError` for buckets that do not go with the resolution.
    """
    training = recipes.training
    resolution = training.resolution or sample_size
    order = Order(
        samples=len(data),
        batch_size=training.train_batch_size,
        accumulation=training.gradient_accumulation_steps,
        processes=processes,
        seed=training.seed,
    )
    if not training.bucket.enable_bucket:
        return Timetable(order, training, resolution, [(resolution, resolution)] * len(data))
    sizes = bucket_sizes(training.bucket, resolution)
    buckets = tuple(nearest(data.size(index), sizes) for index in range(len(data)))
    own = [sizes[bucket] for bucket in buckets]
    return Timetable(BucketOrder(**vars(order), buckets=buckets), training, resolution, own)

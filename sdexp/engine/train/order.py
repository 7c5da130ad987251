"""Which samples an optimizer step sees: a function of seed and epoch alone."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

from sdexp.ground.streams import stream


@dataclass(frozen=True)
class AbstractOrder(ABC):
    """Every sample once an epoch, in steps of `accumulation` micro-batches on each process.

    batch_size: samples of a micro-batch on one process, of which the last may have fewer.
    """

    samples: int
    batch_size: int
    accumulation: int
    processes: int
    seed: int

    @property
    def samples_per_step(self) -> int:
        """Of a step that is not cut short."""
        return self.batch_size * self.accumulation * self.processes

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int: ...

    @abstractmethod
    def groups(self, step: int) -> list[list[int]]:
        """Indices of each micro-batch of a step, over all processes."""

    def epoch(self, step: int) -> int:
        """The epoch of step `step`, counted from 0."""
        return step // self.steps_per_epoch

    def step_samples(self, step: int) -> list[int]:
        """Indices of all samples of a step, over all processes."""
        return [index for group in self.groups(step) for index in group]

    def micro_batches(self, step: int, rank: int) -> list[list[int]]:
        """Indices of each micro-batch of one process; a short step may leave some empty."""
        own = slice(rank * self.batch_size, (rank + 1) * self.batch_size)
        return [group[own] for group in self.groups(step)]


@dataclass(frozen=True)
class Order(AbstractOrder):
    """A fresh permutation each epoch, cut into steps; the last one holds what is left."""

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.samples // self.samples_per_step)

    def groups(self, step: int) -> list[list[int]]:
        shuffled = _permutation(self.seed, "order", self.epoch(step), self.samples)
        start = step % self.steps_per_epoch * self.samples_per_step
        return chunks(
            shuffled[start : start + self.samples_per_step], self.batch_size * self.processes
        )


@dataclass(frozen=True)
class BucketOrder(AbstractOrder):
    """Only samples of one bucket stand in a micro-batch, and the micro-batches are shuffled.

    buckets: that of each sample. What is left of a bucket is a short micro-batch, so that an epoch
    sees every sample once.
    """

    buckets: tuple[int, ...]

    @cached_property
    def steps_per_epoch(self) -> int:
        wide = self.batch_size * self.processes
        sizes = [self.buckets.count(bucket) for bucket in set(self.buckets)]
        return -(-sum(-(-size // wide) for size in sizes) // self.accumulation)

    def groups(self, step: int) -> list[list[int]]:
        cut = _in_buckets(self, self.epoch(step))
        start = step % self.steps_per_epoch * self.accumulation
        return cut[start : start + self.accumulation]


def chunks(indices: list[int], size: int) -> list[list[int]]:
    """Consecutive parts of at most `size`."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


@lru_cache(maxsize=2)
def _in_buckets(order: BucketOrder, epoch: int) -> list[list[int]]:
    by_bucket: dict[int, list[int]] = {}
    for index in _permutation(order.seed, "order", epoch, order.samples):
        by_bucket.setdefault(order.buckets[index], []).append(index)
    wide = order.batch_size * order.processes
    cut = [part for bucket in sorted(by_bucket) for part in chunks(by_bucket[bucket], wide)]
    places = _permutation(order.seed, "bucket order", epoch, len(cut))
    return [cut[place] for place in places]


@lru_cache(maxsize=4)
def _permutation(seed: int, name: str, epoch: int, count: int) -> list[int]:
    return torch.randperm(count, generator=stream(seed, name, epoch)).tolist()

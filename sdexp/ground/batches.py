"""Batches that the optimizer cannot tell apart."""

from collections.abc import Mapping
from typing import Any

from sdexp.ground.nested import leaves
from sdexp.ground.same_run import compares_samples


def equal_batches(size: int, accumulation: int) -> list[tuple[int, int]]:
    """Smaller batches with more accumulation and as many samples in a step, the largest first."""
    samples = size * accumulation
    return [(less, samples // less) for less in range(size - 1, 0, -1) if samples % less == 0]


def smaller_batches(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Those of a nested configuration; none where other micro-batches would train otherwise."""
    values = dict(leaves(config))
    if compares_samples(values) or values["hardware.optimizer_in_backward"]:
        return []
    size = values["training.train_batch_size"]
    return equal_batches(size, values["training.gradient_accumulation_steps"])


def words_of(size: int, accumulation: int) -> str:
    """What a person types for them."""
    return f"training.train_batch_size={size} training.gradient_accumulation_steps={accumulation}"

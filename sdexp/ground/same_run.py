"""What "the same run" means: for resuming, for sweeps and for pages."""

import math
from collections.abc import Mapping
from typing import Any

from sdexp.ground.nested import leaves

# Where the folder lies, who is told, and how the work is spread does not change a result.
DOES_NOT_COUNT = (
    "run_dir",
    "resume",
    "dry_run",
    "tracker",
    "sweep",
    "hardware.num_processes",
    "hardware.dataloader_num_workers",
    "hardware.timeout",
    "training.checkpointing_steps",
    "training.checkpoints_total_limit",
)
# Of these only the product counts.
FACTORS = (
    "training.train_batch_size",
    "training.gradient_accumulation_steps",
    "hardware.num_processes",
)
PRODUCT = "samples per optimizer step"
# A run may go on to a later step, said in steps or, where it always was, in epochs.
GROWS = ("training.max_train_steps", "training.num_train_epochs")


def what_counts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a configuration, nested, the run that it is: values by dotted key."""
    values = dict(leaves(config))
    if compares_samples(values):
        return {k: v for k, v in values.items() if k in FACTORS or not _is_below(k, DOES_NOT_COUNT)}
    factors = [values[key] for key in FACTORS if key in values]
    counted = {
        key: value
        for key, value in values.items()
        if key not in FACTORS and not _is_below(key, DOES_NOT_COUNT)
    }
    whole = all(isinstance(factor, int) for factor in factors)
    return counted | ({PRODUCT: math.prod(factors)} if factors and whole else {})


def compares_samples(values: Mapping[str, Any]) -> bool:
    """Whether it matters which samples share a micro-batch: in buckets, and beside a backbone."""
    bucket = "training.bucket.enable_bucket"
    return "objective.backbone" in values or (bucket in values and values[bucket] is True)


def _is_below(key: str, roots: tuple[str, ...]) -> bool:
    return any(key == root or key.startswith(f"{root}.") for root in roots)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Old and new value of every key that makes two nested configurations different runs."""
    before = what_counts(old)
    after = what_counts(new)
    pairs = {key: (before.get(key), after.get(key)) for key in sorted({*before, *after})}
    return {key: (was, now) for key, (was, now) in pairs.items() if was != now}

from typing import Any

import pytest

from sdexp.ground.same_run import PRODUCT, differences, what_counts

CONFIG: dict[str, Any] = {
    "training": {"seed": 0, "train_batch_size": 4, "gradient_accumulation_steps": 2,
                 "checkpointing_steps": 5, "max_train_steps": 10},
    "hardware": {"num_processes": 1, "device": "cpu", "timeout": 6.0},
    "tracker": {"wandb": {"mode": "auto"}},
    "run_dir": "a",
}  # fmt: skip


def changed(section: str, **values: Any) -> dict[str, Any]:
    return CONFIG | {section: CONFIG[section] | values}


@pytest.mark.parametrize(
    "other",
    [
        CONFIG | {"run_dir": "b", "tracker": {}, "sweep": {"jobs": 3}},
        changed("training", checkpointing_steps=None),
        changed("hardware", timeout=1.0, dataloader_num_workers=2),
        changed("training", train_batch_size=8, gradient_accumulation_steps=1),
        changed("training", train_batch_size=2) | {"hardware": CONFIG["hardware"]
                                                   | {"num_processes": 2}},
    ],
)  # fmt: skip
def test_what_does_not_count_makes_no_other_run(other: dict[str, Any]) -> None:
    assert differences(CONFIG, other) == {}


def test_what_counts_is_told_with_both_values() -> None:
    assert differences(CONFIG, changed("training", seed=1)) == {"training.seed": (0, 1)}
    assert differences(CONFIG, changed("training", train_batch_size=8)) == {PRODUCT: (8, 16)}
    assert differences(CONFIG, changed("hardware", new=1)) == {"hardware.new": (None, 1)}


@pytest.mark.parametrize(
    "compares",
    [{"objective": {"backbone": "clip"}}, {"training": {"bucket": {"enable_bucket": True}}}],
)
def test_how_a_step_is_cut_counts_where_samples_are_compared(compares: dict[str, Any]) -> None:
    """In buckets, and for a loss over a micro-batch."""

    def run(**values: Any) -> dict[str, Any]:
        training = CONFIG["training"] | compares.get("training", {}) | values
        return CONFIG | compares | {"training": training}

    other = run(train_batch_size=8, gradient_accumulation_steps=1)
    assert set(differences(run(), other)) == {
        "training.train_batch_size", "training.gradient_accumulation_steps",
    }  # fmt: skip
    assert differences(run(), run(checkpointing_steps=None)) == {}


def test_a_key_whose_name_only_begins_alike_counts() -> None:
    assert "run_dirs" in what_counts({"run_dirs": 1}) and "trackers.a" in what_counts(
        {"trackers": {"a": 1}}
    )

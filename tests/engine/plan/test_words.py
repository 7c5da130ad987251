from typing import Any

import pytest


def test_numbers_of_a_plan(planned: Any, capfd: pytest.CaptureFixture[str]) -> None:
    facts = planned(
        "training.gradient_accumulation_steps=3", "hardware.num_processes=2",
        "training.max_train_steps=null", "training.num_train_epochs=3", "evaluation.replicates=2",
        "scheduler.warmup_fraction=0.5", "optimizer.lr=0.003", "dataset.num_train=40",
    )  # fmt: skip
    assert (facts["steps"], facts["epochs"]) == (6, 3)
    told = capfd.readouterr().out
    for words in (
        "training: 6 steps = 3.0 epochs of 40 pictures (2 steps each)",
        "effective batch: 24 = 4 x 3 accumulated x 2 process(es)",
        "at most 0.003, 3 steps of warm-up",
        "evaluation: 4 prompts x 2 replicates, 2 general prompts, 2 train prompts, of 2 models = "
        "24 pictures of 64x64",
        "memory in each process: ",
        "store: has 0 of 40 training pictures",
        "store: has 0 of 3 batches of the original's pictures",
    ):
        assert words in told
    assert f"{facts['trainable_parameters']:,} train of {facts['total_parameters']:,}" in told


def test_scores_on_the_way_are_told_with_what_they_cost(
    planned: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("training.validation_metrics_steps=2", "training.num_validation_prompts=5")
    planned(*words, "evaluation.replicates=2", measure=True)
    told = capfd.readouterr().out
    # Before the first step, after the second and after the fourth.
    assert "validation metrics: kid, fd, clip_score, lpips_gt, 3 times, by 30 pictures" in told
    assert "of it for validation metrics)" in told


def test_without_evaluation_validation_and_cache(planned: Any, capfd: Any) -> None:
    facts = planned(
        "evaluation=none", "training.validation_steps=null", "training.cache_latents=false",
        "training.validation_images_steps=null",
    )  # fmt: skip
    assert facts["disk"]["pictures"] == facts["disk"]["store"] == 0
    told = capfd.readouterr().out
    assert "evaluation: none" in told and "store: has" not in told

"""Metrics asked on the way, and what follows them."""

import math
from typing import Any

import pytest

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.engine.train import scores
from sdexp.engine.train.checkpoint import read_checkpoint
from sdexp.engine.train.scores import Share
from sdexp.ground.errors import ConfigError, DivergedError
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.store import Store
from tests.engine.train.runs import losses, tensors_of, trainer

ASKED = (
    "finetune=unet", "optimizer.lr=0.01", "training.validation_images_steps=null",
    "training.validation_metrics_steps=2", "training.num_validation_prompts=4",
    "scheduler=constant",
)  # fmt: skip


def test_they_are_the_numbers_of_an_evaluation_of_the_same_step(
    train: Any, tiny_recipes: Any, store: Store
) -> None:
    run = train("run", *ASKED)
    own = tiny_recipes(*ASKED, "evaluation.split=val", "evaluation.num_prompts=4")
    evaluate(Evaluation(run, run, own, store))
    metrics = read_record(run.scores, ScoresRecord).metrics
    assert set(metrics) == {"kid", "fd", "clip_score", "lpips_gt"}
    for name, metric in metrics.items():
        told = losses(run, "validation", name)
        assert list(told) == [0, 2, 4]
        assert told[0] == pytest.approx(metric.original, rel=1e-6)
        assert told[4] == pytest.approx(metric.finetuned, rel=1e-6)


def test_a_look_changes_nothing_that_is_trained(train: Any) -> None:
    seen, unseen = (
        train(name, *ASKED, f"training.validation_metrics_steps={steps}")
        for name, steps in (("seen", 1), ("unseen", "null"))
    )
    pairs = zip(tensors_of(seen), tensors_of(unseen), strict=True)
    assert all(bool((a == b).all()) for a, b in pairs)
    assert losses(unseen, "validation", "kid") == {} and losses(seen) == losses(unseen)


def test_a_run_that_goes_on_repeats_its_scores(
    train: Any, tiny_run: Any, tiny_recipes: Any, store: Store
) -> None:
    whole = train("whole", *ASKED)
    half = tiny_run("half", *ASKED)
    trainer(half, tiny_recipes, store, *ASKED, "training.max_train_steps=2").train()
    trainer(half, tiny_recipes, store, *ASKED).train()
    for name in ("kid", "lpips_gt"):
        assert losses(half, "validation", name) == losses(whole, "validation", name)


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("kid", {0: 9.0, 1: 5.0, 2: 4.0, 3: 6.0, 4: 7.0}, 2),
        # Here more is better.
        ("clip_score", {0: 9.0, 1: 5.0, 2: 8.0, 3: 6.0, 4: 7.0}, 2),
    ],
)
def test_the_best_by_a_metric_is_kept_and_ends_the_run(
    tiny_run: Any,
    tiny_recipes: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    values: dict[int, float],
    best: int,
) -> None:
    words = (
        *ASKED, "training.validation_metrics_steps=1", "training.max_train_steps=9",
        "training.checkpointing_steps=1", "training.checkpoints_total_limit=9",
        "training.early_stopping.patience=2",
        f"training.early_stopping.monitor=validation/{metric}",
    )  # fmt: skip
    run = tiny_run("run", *words)
    work = trainer(run, tiny_recipes, store, *words)
    monkeypatch.setattr(work.setup.scores, "at", lambda step: {metric: values[step]})
    record = work.train()
    assert (record.steps, record.best_step) == (4, best)
    kept = read_checkpoint(run.checkpoints, best).tensors["trained"]
    sums = [sorted(float(t.double().sum()) for t in ts) for ts in (kept.values(), tensors_of(run))]
    assert sums[0] == sums[1]


def test_pictures_that_overflow_are_told_and_end_nothing(
    tiny_run: Any,
    tiny_recipes: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run: RunFolder = tiny_run("run", *ASKED)
    work = trainer(run, tiny_recipes, store, *ASKED)

    def overflow(*arguments: Any) -> Any:
        raise DivergedError("the pictures are not finite")

    monkeypatch.setattr(work.setup.model, "generate", overflow)
    work.train()
    assert losses(run, "validation", "kid") == {}
    assert "step 2: no scores, because the pictures are not finite" in capfd.readouterr().out


def test_a_fault_of_one_process_is_every_processs(
    tiny_run: Any, tiny_recipes: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All take part in the exchange, and none waits for one that has gone on."""
    work = trainer(tiny_run("run", *ASKED), tiny_recipes, store, *ASKED)

    def gathered(mine: list[Share]) -> list[Share]:
        assert mine[0].batches and not mine[0].fault
        return [*mine, Share({}, "the pictures of the other are not finite")]

    monkeypatch.setattr(scores, "gather_object", gathered)
    assert work.setup.scores.at(0) == {}


def test_a_score_that_is_no_number_is_told_and_not_kept(
    tiny_run: Any,
    tiny_recipes: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    work = trainer(tiny_run("run", *ASKED), tiny_recipes, store, *ASKED)
    told = {"kid": math.nan, "fd": 3.0}
    monkeypatch.setattr(work.setup.scores, "_scores", lambda *_: told)
    assert work.setup.scores.at(0) == {"fd": 3.0}
    assert "step 0: kid is not a finite number" in capfd.readouterr().out


def test_a_metric_that_is_not_asked_cannot_be_followed(recipes: Any) -> None:
    words = ("training.early_stopping.patience=2", "training.validation_metrics_steps=2")
    named = "training.early_stopping.monitor=validation/"
    recipes(*words, f"{named}kid").check_training()
    with pytest.raises(ConfigError, match="monitor=validation/fid: allowed is one of train/loss"):
        recipes(*words, f"{named}fid").check_training()


def test_a_split_that_chooses_is_not_the_one_that_judges(recipes: Any) -> None:
    words = ("training.early_stopping.patience=2", "evaluation.split=val")
    assert any("its scores are optimistic" in line for line in recipes(*words).warnings())
    assert not any("optimistic" in line for line in recipes(words[0]).warnings())

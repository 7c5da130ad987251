"""The evaluation stage in this process, on a run of a few steps."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.engine.prompts import prompt_id
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import Interrupted, listening
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from tests.training import trainer_of


def test_scores_pictures_and_rows_agree(trained: RunFolder, recipes: Any, store: Store) -> None:
    evaluate(Evaluation(trained, trained, recipes(), store))
    scores = json.loads(trained.scores.read_text())
    rows = pq.read_table(trained.per_image).to_pylist()
    for name in ("clip_score", "lpips_gt"):
        for model in ("original", "finetuned"):
            values = [row[name] for row in rows if row["model"] == model]
            assert np.mean(values) == pytest.approx(scores["metrics"][name][model], rel=1e-9)
    assert {row["prompt_id"] for row in rows} == {
        path.stem for path in trained.images("reference").iterdir()
    }
    assert all(row["prompt_id"] == prompt_id(row["sample_id"], row["caption"]) for row in rows)


def test_the_store_changes_no_bit_and_saves_the_originals(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    results = []
    for _ in range(2):
        # Or the second would take the finetuned's from the first, which its scores would say.
        trained.batches.unlink(missing_ok=True)
        evaluate(Evaluation(trained, trained, recipes(), store))
        files = sorted(trained.images("original").iterdir())
        results.append([trained.scores.read_bytes(), *(file.read_bytes() for file in files)])
    assert results[0] == results[1]
    assert len(list((store.root / "pictures").rglob("*.bin"))) == 3


def test_an_interrupted_evaluation_goes_on_where_it_stopped(
    trained: RunFolder, recipes: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the third batch of the finetuned model's eight."""
    whole = RunFolder(shutil.copytree(trained.path, tmp_path / "whole"))
    single = recipes("evaluation.batch_size=1")
    evaluate(Evaluation(whole, whole, single, Store(tmp_path / "other store")))
    generate, made = LoadedLatentDiffusion.generate, []

    def counted(self: Any, *arguments: Any) -> Any:
        made.append(1)
        if len(made) == 11:
            os.kill(os.getpid(), signal.SIGTERM)
        return generate(self, *arguments)

    monkeypatch.setattr(LoadedLatentDiffusion, "generate", counted)
    with listening(), pytest.raises(Interrupted):
        evaluate(Evaluation(trained, trained, single, store))
    assert len(made) == 11 and trained.partial.is_dir() and not trained.scores.exists()
    evaluate(Evaluation(trained, trained, single, store))
    assert len(made) == 11 + 6 and not trained.partial.exists()
    assert trained.scores.read_bytes() == whole.scores.read_bytes()
    for model in ("original", "finetuned", "reference", "general/finetuned", "train/original"):
        pictures = {file.name: file.read_bytes() for file in whole.images(model).iterdir()}
        assert pictures == {f.name: f.read_bytes() for f in trained.images(model).iterdir()}


def test_a_control_differs_nowhere(trained: RunFolder, recipes: Any, store: Store) -> None:
    evaluate(Evaluation(trained, trained, recipes("evaluation.control=self"), store))
    scores = json.loads(trained.scores.read_text())
    assert scores["control"] == "self" and scores["applied"] is None
    assert scores["drift"]["lpips_gt"]["value"] == 0.0
    for metric in scores["metrics"].values():
        assert metric["difference"] == 0.0 and metric["p"] == 1.0
        assert metric["verdict"] == "underpowered" and metric["least_p"] == 0.125


def test_pictures_that_show_nothing_are_no_result(
    trained: RunFolder, recipes: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blank(self: Any, prompts: list[str], *_: Any) -> np.ndarray:
        return np.zeros((len(prompts), 64, 64, 3), np.uint8)

    monkeypatch.setattr(LoadedLatentDiffusion, "generate", blank)
    with pytest.raises(DataError, match="4 of 4 pictures of the original are of one colour"):
        evaluate(Evaluation(trained, trained, recipes(), store))
    assert not trained.scores.exists()


def test_weights_that_are_not_there_or_do_nothing_are_no_result(
    trained: RunFolder, new_run: Any, recipes: Any, store: Store
) -> None:
    empty = new_run("empty")
    with pytest.raises(DataError, match="missing"):
        evaluate(Evaluation(empty, empty, recipes(), store))
    same = new_run("same")
    still = recipes(
        "finetune=unet",
        "scheduler=linear",
        "scheduler.warmup_fraction=1.0",
        "training.max_train_steps=1",
    )
    trainer_of(same, still, store).train()
    with pytest.raises(DataError, match="training changed nothing"):
        evaluate(Evaluation(same, same, still, store))
    assert not same.scores.exists()

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
import torch
from PIL import Image

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.engine.evaluate.pictures import PictureMaker
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.prompts import choose_prompts, noise_of, prompt_id, sampling_of
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import Interrupted, listening
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.model.stable_diffusion import LoadedStableDiffusion
from tests.training import trainer_of


@pytest.fixture
def trained(new_run: Any, recipes: Any, store: Store) -> RunFolder:
    run = new_run("run")
    overrides = ("optimizer.lr=0.01", "training.validation_images_steps=null")
    trainer_of(run, recipes(*overrides), store).train()
    return run


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


def test_clip_scores_are_those_of_the_saved_files(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    """Recomputed with transformers' own model and processor from the PNG files."""
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    from sdexp.ground.assets import located

    evaluate(Evaluation(trained, trained, recipes(), store))
    folder = located("pocket-clip")
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32)
    processor = CLIPImageProcessor.from_pretrained(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    for row in pq.read_table(trained.per_image).to_pylist():
        pixels = processor(Image.open(trained.path / row["path"]), return_tensors="pt")
        tokens = tokenizer(row["caption"], truncation=True, return_tensors="pt")
        with torch.inference_mode():
            out = model(**pixels, **tokens)
        expected = 100 * float(torch.cosine_similarity(out.image_embeds, out.text_embeds))
        assert row["clip_score"] == pytest.approx(expected, abs=1e-3)


def test_the_store_changes_no_bit_and_saves_the_originals(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    results = []
    for _ in range(2):
        evaluate(Evaluation(trained, trained, recipes(), store))
        files = sorted(trained.images("original").iterdir())
        results.append([trained.scores.read_bytes(), *(file.read_bytes() for file in files)])
    assert results[0] == results[1]
    assert len(list((store.root / "pictures").rglob("*.bin"))) == 1


def test_an_interrupted_evaluation_goes_on_where_it_stopped(
    trained: RunFolder, recipes: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the third batch of the finetuned model's four."""
    whole = RunFolder(shutil.copytree(trained.path, tmp_path / "whole"))
    single = recipes("evaluation.batch_size=1")
    evaluate(Evaluation(whole, whole, single, Store(tmp_path / "other store")))
    generate, made = LoadedStableDiffusion.generate, []

    def counted(self: Any, *arguments: Any) -> Any:
        made.append(1)
        if len(made) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return generate(self, *arguments)

    monkeypatch.setattr(LoadedStableDiffusion, "generate", counted)
    with listening(), pytest.raises(Interrupted):
        evaluate(Evaluation(trained, trained, single, store))
    assert len(made) == 7 and trained.partial.is_dir() and not trained.scores.exists()
    evaluate(Evaluation(trained, trained, single, store))
    assert len(made) == 7 + 2 and not trained.partial.exists()
    assert trained.scores.read_bytes() == whole.scores.read_bytes()
    for model in ("original", "finetuned", "reference"):
        pictures = {file.name: file.read_bytes() for file in whole.images(model).iterdir()}
        assert pictures == {f.name: f.read_bytes() for f in trained.images(model).iterdir()}


def test_drift_is_lpips_between_the_saved_pictures_of_both_models(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    """Recomputed from the PNG files with the tower's own hidden states."""
    from transformers import CLIPImageProcessor, CLIPModel

    from sdexp.ground.assets import located

    evaluate(Evaluation(trained, trained, recipes("evaluation.replicates=2"), store))
    folder = located("pocket-clip")
    tower = CLIPModel.from_pretrained(folder, dtype=torch.float32).vision_model
    processor = CLIPImageProcessor.from_pretrained(folder)

    def tokens(row: dict[str, Any]) -> list[torch.Tensor]:
        pixels = processor(Image.open(trained.path / row["path"]), return_tensors="pt")
        with torch.inference_mode():
            layers = tower(**pixels, output_hidden_states=True).hidden_states[1:]
        return [torch.nn.functional.normalize(layer[0, 1:], dim=-1) for layer in layers]

    rows = pq.read_table(trained.per_image).to_pylist()
    half = len(rows) // 2
    distances: dict[str, list[float]] = {}
    for original, finetuned in zip(rows[:half], rows[half:], strict=True):
        assert original["prompt_id"] == finetuned["prompt_id"]
        assert original["replicate"] == finetuned["replicate"]
        layers = zip(tokens(original), tokens(finetuned), strict=True)
        distance = float(np.mean([float((a - b).square().sum(-1).mean()) for a, b in layers]))
        distances.setdefault(original["prompt_id"], []).append(distance)
    by_prompt = [np.mean(values) for values in distances.values()]
    drift = json.loads(trained.scores.read_text())["drift"]
    assert list(drift) == ["lpips_gt"] and drift["lpips_gt"]["backbone"] == "pocket-clip"
    assert drift["lpips_gt"]["value"] == pytest.approx(np.mean(by_prompt), abs=1e-4)
    low, high = drift["lpips_gt"]["ci95"]
    assert min(by_prompt) - 1e-4 <= low < drift["lpips_gt"]["value"] < high
    assert high <= max(by_prompt) + 1e-4


def test_without_a_metric_between_pictures_there_is_no_drift(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    evaluate(Evaluation(trained, trained, recipes("metric=[kid]"), store))
    assert json.loads(trained.scores.read_text())["drift"] == {}


def test_a_control_differs_nowhere(trained: RunFolder, recipes: Any, store: Store) -> None:
    evaluate(Evaluation(trained, trained, recipes("evaluation.control=self"), store))
    scores = json.loads(trained.scores.read_text())
    assert scores["control"] == "self" and scores["applied"] is None
    assert scores["drift"]["lpips_gt"]["value"] == 0.0
    for metric in scores["metrics"].values():
        assert metric["difference"] == 0.0 and metric["p"] == 1.0
        assert metric["verdict"] == "no evidence"


def test_weights_that_are_not_there_or_do_nothing_are_no_result(
    trained: RunFolder, new_run: Any, recipes: Any, store: Store
) -> None:
    empty = new_run("empty")
    with pytest.raises(DataError, match="missing"):
        evaluate(Evaluation(empty, empty, recipes(), store))
    same = new_run("same")
    still = recipes(
        "scheduler=linear", "scheduler.warmup_fraction=1.0", "training.max_train_steps=1"
    )
    trainer_of(same, still, store).train()
    with pytest.raises(DataError, match="training changed nothing"):
        evaluate(Evaluation(same, same, recipes(), store))
    assert not same.scores.exists()


def test_prompts_are_chosen_by_hash_and_noise_by_prompt(recipes: Any) -> None:
    data = recipes().dataset.open("test")
    chosen = choose_prompts(data, 5)
    assert [p.prompt_id for p in chosen] == sorted(p.prompt_id for p in choose_prompts(data, 99))[
        :5
    ]
    assert len(choose_prompts(data, 99)) == len(data) == 12
    noise = noise_of([("a", 0), ("a", 1), ("b", 0)], (8, 4, 4), seed=0)
    assert len({tuple(n.flatten().tolist()) for n in noise}) == 3
    assert torch.equal(noise[2:], noise_of([("b", 0)], (8, 4, 4), seed=0))


def test_pictures_hardly_depend_on_the_batch_size(recipes: Any, tmp_path: Path) -> None:
    made = recipes()
    model = made.model.load("cpu", "float32")
    prompts = choose_prompts(made.dataset.open("test"), 3)
    sampling = sampling_of(made.evaluation, 64)
    accelerator, results = make_accelerator(made.hardware), []
    for size in (1, 4):
        store = Store(tmp_path / "store" / str(size))
        maker = PictureMaker(sampling, 2, size, 0, store, accelerator)
        results.append(maker.pictures(model, prompts, tmp_path / str(size), "x"))
    assert results[0].shape == (3, 2, 64, 64, 3)
    assert abs(results[0].astype(int) - results[1].astype(int)).max() <= 1

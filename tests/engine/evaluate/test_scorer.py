import itertools
import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from sdexp.backbone.alexnet import AlexNet
from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.ground.errors import DataError
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store


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


def test_drift_is_lpips_between_the_saved_pictures_of_both_models(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    """Recomputed from the PNG files."""
    few = recipes("evaluation.replicates=2", "evaluation.num_prompts=6")
    evaluate(Evaluation(trained, trained, few, store))
    judge = AlexNet("alexnet").start("cpu")

    def picture(row: dict[str, Any]) -> np.ndarray:
        return np.asarray(Image.open(trained.path / row["path"]))[None]

    rows = pq.read_table(trained.per_image).to_pylist()
    half = len(rows) // 2
    distances: dict[str, list[float]] = {}
    for original, finetuned in zip(rows[:half], rows[half:], strict=True):
        assert original["prompt_id"] == finetuned["prompt_id"]
        assert original["replicate"] == finetuned["replicate"]
        distance = float(judge.pairs(picture(original), picture(finetuned))[0])
        distances.setdefault(original["prompt_id"], []).append(distance)
    by_prompt = [np.mean(values) for values in distances.values()]
    drift = json.loads(trained.scores.read_text())["drift"]
    assert list(drift) == ["lpips_gt"] and drift["lpips_gt"]["backbone"] == "alexnet"
    assert drift["lpips_gt"]["value"] == pytest.approx(np.mean(by_prompt), abs=1e-4)
    low, high = drift["lpips_gt"]["ci95"]
    assert min(by_prompt) - 1e-4 <= low < drift["lpips_gt"]["value"] < high
    assert high <= max(by_prompt) + 1e-4


def test_without_a_metric_between_pictures_there_is_no_drift(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    evaluate(Evaluation(trained, trained, recipes("metric=[kid]"), store))
    assert json.loads(trained.scores.read_text())["drift"] == {}


def test_diversity_is_the_mean_over_the_pairs_of_a_prompt(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    words = ["metric=[lpips_diversity]", "evaluation.replicates=3", "evaluation.num_prompts=2"]
    evaluate(Evaluation(trained, trained, recipes(*words), store))
    judge = AlexNet("alexnet").start("cpu")
    rows = pq.read_table(trained.per_image).to_pylist()
    for model in ("original", "finetuned"):
        by_prompt: dict[str, list[np.ndarray]] = {}
        for row in rows:
            if row["model"] == model:
                pixels = np.asarray(Image.open(trained.path / row["path"]))[None]
                by_prompt.setdefault(row["prompt_id"], []).append(pixels)
        pairs = [
            float(judge.pairs(a, b)[0])
            for made in by_prompt.values()
            for a, b in itertools.combinations(made, 2)
        ]
        found = [row["lpips_diversity"] for row in rows if row["model"] == model]
        assert len(pairs) == 6 and np.mean(found) == pytest.approx(np.mean(pairs), abs=1e-5)


def test_diversity_of_single_pictures_is_none(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    made = recipes("metric=[lpips_diversity]", "evaluation.replicates=1")
    with pytest.raises(DataError, match="set evaluation.replicates to 2 or more"):
        evaluate(Evaluation(trained, trained, made, store))

"""The evaluation stage: original and finetuned under one protocol, from pictures to scores."""

import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from accelerate import Accelerator
from PIL import Image

from sdexp.engine.evaluate.pictures import PictureMaker, reference_pictures
from sdexp.engine.evaluate.scorer import Pictures, Score, Scorer, per_image_rows
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import save_png
from sdexp.engine.progress import say
from sdexp.engine.prompts import choose_prompts, evaluation_data, sampling_of
from sdexp.engine.recorder import Recorder
from sdexp.ground.applied import Applied
from sdexp.ground.config import Control
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import interruptible
from sdexp.ground.run import MODELS, RunFolder, disk_faults, write_text
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

TABLE_ROWS = 64


def evaluate(
    run: RunFolder, recipes: Recipes, store: Store, config: dict[str, Any]
) -> dict[str, Any]:
    """Make and score the pictures of both models; returns what run.json tells about it."""
    began = time.monotonic()
    accelerator = make_accelerator(recipes.hardware)
    made = _make_pictures(run, recipes, store, accelerator)
    if made is None:
        return {}
    pictures, applied = made
    scorer = Scorer(recipes.evaluation, str(accelerator.device))
    scores = {}
    for name, metric in recipes.metrics.items():
        with interruptible():
            scores[name] = scorer.score(name, metric, pictures)
        _say_score(name, scores[name])
    rows = per_image_rows(pictures, scores)
    with disk_faults(run.per_image):
        pq.write_table(pa.Table.from_pylist(rows), run.per_image)
    summary = _summary(recipes, pictures, scores, applied)
    write_text(run.scores, json.dumps(summary, indent=2) + "\n")
    shutil.rmtree(run.partial)
    _track(run, recipes, config, summary, rows)
    return {"seconds": time.monotonic() - began, "pictures": len(rows)}


def _make_pictures(
    run: RunFolder, recipes: Recipes, store: Store, accelerator: Accelerator
) -> tuple[Pictures, Applied | None] | None:
    """Pictures of the original, then of the finetuned, each loaded afresh.

    Every process makes its share; all but the main one then have nothing more to do: None.
    """
    config = recipes.evaluation
    device = str(accelerator.device)
    data = evaluation_data(recipes)
    prompts = choose_prompts(data, config.num_prompts)
    model = recipes.model.load(device, "float32")
    resolution = recipes.training.resolution or model.sample_size
    maker = PictureMaker(
        sampling_of(config, resolution),
        config.replicates,
        config.batch_size,
        config.seed,
        store,
        accelerator,
    )
    original = maker.pictures(model, prompts, run.images("original"), "original")
    # Loaded and made afresh also as a control: pictures from the shared store would prove nothing.
    model = recipes.model.load(device, "float32")
    applied = None if config.control == Control.self else _apply(run, recipes, model)
    fresh = replace(maker, store=Store(run.partial))
    finetuned = fresh.pictures(model, prompts, run.images("finetuned"), "finetuned")
    if original is None or finetuned is None:
        return None
    if config.control != Control.self and np.array_equal(original, finetuned):
        raise DataError(
            "every picture of the finetuned model equals the original's: the weights have no effect"
        )
    references = reference_pictures(data, resolution)
    for prompt in prompts:
        save_png(references[prompt.index], run.images("reference") / f"{prompt.prompt_id}.png")
    own = np.array([prompt.index for prompt in prompts])
    made = {"original": original, "finetuned": finetuned}
    return Pictures(prompts, made, references, own), applied


def _apply(run: RunFolder, recipes: Recipes, model: LoadedModel) -> Applied:
    """Put the run's weights into a fresh original, and prove it."""
    applied = recipes.finetune.restore(model, run.weights)
    applied.check(str(run.weights))
    say(
        f"{applied.applied} tensors applied, {applied.changed} differ from the original's, "
        "none missing, none unexpected"
    )
    return applied


def _say_score(name: str, score: Score) -> None:
    facts = score.summary
    interval = facts["ci95"]
    between = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    say(
        f"{name}: {facts['original']:.3f} -> {facts['finetuned']:.3f} "
        f"({facts['difference']:+.3f}{between}, p = {facts['p']:.4f}): {facts['verdict']}"
    )


def _summary(
    recipes: Recipes, pictures: Pictures, scores: dict[str, Score], applied: Applied | None
) -> dict[str, Any]:
    config = recipes.evaluation
    controls: dict[str, dict[str, Any]] = {}
    for score in scores.values():
        for what, values in score.controls.items():
            controls.setdefault(what, {}).update(values)
    return {
        "primary": config.primary,
        "n_prompts": len(pictures.prompts),
        "replicates": config.replicates,
        "control": None if config.control == Control.none else str(config.control),
        "sampling": asdict(sampling_of(config, pictures.references.shape[1])),
        "metrics": {name: score.summary for name, score in scores.items()},
        "applied": asdict(applied) if applied else None,
        "controls": controls,
        "drift": {name: score.drift for name, score in scores.items() if score.drift},
        "warnings": _warnings(recipes, pictures),
    }


def _warnings(recipes: Recipes, pictures: Pictures) -> list[str]:
    lines = []
    asked = recipes.evaluation.num_prompts
    got = len(pictures.prompts)
    if got < asked:
        lines.append(f"evaluation.num_prompts={asked}: the split holds only {got} pictures")
    if "fid" in recipes.metrics and len(pictures.references) < 2048:
        lines.append(
            f"fid rests on {len(pictures.references)} real pictures: below 2048 it is biased "
            "upwards and compares only with values at the same N and backbone"
        )
    for model in MODELS:
        flat = pictures.made[model].reshape(-1, *pictures.made[model].shape[2:])
        blank = int((flat.max(axis=(1, 2, 3)) == flat.min(axis=(1, 2, 3))).sum())
        if blank:
            lines.append(f"{blank} of {len(flat)} pictures of the {model} are of one colour")
    return lines


def _track(
    run: RunFolder,
    recipes: Recipes,
    config: dict[str, Any],
    summary: dict[str, Any],
    rows: list[dict[str, Any]],
) -> None:
    """Scores and a table of picture pairs for the tracker."""
    recorder = Recorder(run, recipes.trackers, config, "evaluate", is_main=True)
    values = {
        f"{name}/{key}": facts[key]
        for name, facts in summary["metrics"].items()
        for key in ("original", "finetuned", "difference", "p")
    }
    try:
        recorder.tracked("evaluation", values)
        recorder.table("evaluation/pairs", *_pairs(run, summary, rows))
    finally:
        recorder.close()


def _pairs(
    run: RunFolder, summary: dict[str, Any], rows: list[dict[str, Any]]
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of the tracker's table: both pictures of a prompt and their scores."""
    half = len(rows) // 2
    metrics = [name for name in rows[0] if name in summary["metrics"]]
    columns = ["prompt", "replicate", "original", "finetuned"]
    columns += [f"{name} {model}" for name in metrics for model in MODELS]
    table = []
    for pair in list(zip(rows[:half], rows[half:], strict=True))[:TABLE_ROWS]:
        images = [_picture(run.path / row["path"]) for row in pair]
        numbers = [row[name] for name in metrics for row in pair]
        table.append([pair[0]["caption"], pair[0]["replicate"], *images, *numbers])
    return columns, table


def _picture(file: Path) -> Image.Image:
    with Image.open(file) as image:
        image.load()
        return image

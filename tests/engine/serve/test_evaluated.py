"""Pictures of a run's own evaluation, which is made once and copied to be spoiled."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.engine.images import read_png, save_png
from sdexp.engine.serve.evaluated import MODELS, EvaluatedPictures
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.rows import PictureRow, read_rows, write_rows
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import OWN_NOISE
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.serving import Shot, WeightsKind
from sdexp.ground.store import Store
from sdexp.recipes import Recipes, read_recipes
from tests.engine.serve.trained import served_run, shot, weights

WORDS = (
    "metric=[clip_score]",
    "evaluation.primary=clip_score",
    "evaluation.num_prompts=2",
    "evaluation.replicates=2",
    "evaluation.seed=7",
)


@pytest.fixture(scope="module")
def evaluated(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("evaluated")
    run = served_run(root / "run", tiny, 1, *WORDS)
    evaluate(Evaluation(run, run, read_recipes(run.config), Store(root / "store")))
    return run


@pytest.fixture
def run(evaluated: RunFolder, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(evaluated.path, tmp_path / "run")))


def asked(run: RunFolder, row: PictureRow, **changes: Any) -> Shot:
    """Exactly what the evaluation was asked for, but for the changes."""
    recipes = read_recipes(run.config)
    kinds: dict[str, WeightsKind] = {"original": "original", "finetuned": "run"}
    usual: dict[str, Any] = {
        "prompt": row.caption,
        "seed": recipes.evaluation.seed,
        "noise": (row.prompt_id, row.replicate),
        "sampling": recipes.evaluation.sampling(32),
    }
    return shot(weights(run, kinds[row.model]), **(usual | changes))


def found(run: RunFolder, one: Shot) -> np.ndarray | None:
    recipes: Recipes = read_recipes(run.config)
    return EvaluatedPictures().find(one, recipes)


def test_every_picture_that_was_scored_is_found(run: RunFolder) -> None:
    rows = read_rows(run.per_image)
    assert len(rows) == 8 and {row.model for row in rows} == set(MODELS.values())
    pictures = EvaluatedPictures()
    recipes = read_recipes(run.config)
    seen = set()
    for row in rows:
        pixels = pictures.find(asked(run, row), recipes)
        assert pixels is not None and pixels.shape == (32, 32, 3)
        assert np.array_equal(pixels, read_png(run.path / row.path))
        seen.add(pixels.tobytes())
    assert len(seen) == 8


@pytest.mark.parametrize("model", ["original", "finetuned"])
def test_what_is_not_quite_the_same_is_not_found(run: RunFolder, model: str) -> None:
    row = next(row for row in read_rows(run.per_image) if row.model == model)
    own = asked(run, row)
    sampling = own.sampling
    step = replace(own.weights, kind="checkpoint", name="000004")
    others = {
        "prompt": replace(own, prompt=f"{own.prompt} "),
        "seed": replace(own, seed=own.seed + 1),
        "own noise": replace(own, noise=OWN_NOISE),
        "replicate": replace(own, noise=(row.prompt_id, 2)),
        "prompt's id": replace(own, noise=("0" * 12, 0)),
        "strength": replace(own, strength=0.5),
        "no strength": replace(own, strength=0.0),
        "step": replace(own, weights=step),
        "export": replace(own, weights=replace(own.weights, kind="export", name="kohya")),
        "steps": replace(own, sampling=replace(sampling, num_inference_steps=3)),
        "sampler": replace(own, sampling=replace(sampling, sampler="euler")),
        "guidance": replace(own, sampling=replace(sampling, guidance_scale=2.25)),
        "negative": replace(own, sampling=replace(sampling, negative_prompt="blurry")),
        "size": replace(own, sampling=replace(sampling, height=64)),
    }
    assert found(run, own) is not None
    assert [name for name, other in others.items() if found(run, other) is not None] == []


def spoil_pixels(run: RunFolder, row: PictureRow) -> None:
    pixels = read_png(run.path / row.path).copy()
    pixels[0, 0, 0] ^= 1
    save_png(pixels, run.path / row.path)


def spoil_control(run: RunFolder, row: PictureRow) -> None:
    scores = read_record(run.scores, ScoresRecord)
    write_record(run.scores, replace(scores, control="self", applied=None))


def spoil_rows(run: RunFolder, row: PictureRow) -> None:
    kept = [one for one in read_rows(run.per_image) if asdict(one) != asdict(row)]
    write_rows(run.per_image, kept)


FAULTS: dict[str, Callable[[RunFolder, PictureRow], None]] = {
    "other pixels": spoil_pixels,
    "torn picture": lambda run, row: (run.path / row.path).write_bytes(
        (run.path / row.path).read_bytes()[:300]
    ),
    "no PNG": lambda run, row: (run.path / row.path).write_bytes(b"garbage"),
    "no picture": lambda run, row: (run.path / row.path).unlink(),
    "a control": spoil_control,
    "no scores": lambda run, row: run.scores.unlink(),
    "no table": lambda run, row: run.per_image.unlink(),
    "another table": spoil_rows,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_lost_or_changed_is_not_shown(run: RunFolder, fault: str) -> None:
    row = read_rows(run.per_image)[-1]
    pictures = EvaluatedPictures()
    recipes = read_recipes(run.config)
    assert pictures.find(asked(run, row), recipes) is not None
    one = asked(run, row)
    FAULTS[fault](run, row)
    assert pictures.find(one, recipes) is None


def test_the_table_is_read_once_while_it_is_the_same(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdexp.engine.serve import evaluated as module

    reads: list[Path] = []

    def counted(path: Path) -> list[PictureRow]:
        reads.append(path)
        return read_rows(path)

    rows = read_rows(run.per_image)
    monkeypatch.setattr(module, "read_rows", counted)
    pictures = EvaluatedPictures()
    recipes = read_recipes(run.config)
    assert all(pictures.find(asked(run, row), recipes) is not None for row in rows)
    assert len(reads) == 1
    os.utime(run.per_image, (1, 1))
    assert pictures.find(asked(run, rows[0]), recipes) is not None and len(reads) == 2

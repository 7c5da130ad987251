"""Guards over pictures whose truth is known, with the embedded judges."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdexp.backbone.base import PictureSet
from sdexp.dataset.pocket import DrawnScenes
from sdexp.dataset.scenes import JITTER, Scene, draw, make_scene
from sdexp.engine.evaluate.asked import GENERAL, TRAIN
from sdexp.engine.evaluate.guards import Guards
from sdexp.engine.evaluate.pictures import MadePictures, real_pictures
from sdexp.engine.evaluate.results import Results
from sdexp.engine.evaluate.scorer import Pictures
from sdexp.engine.prompts import Prompt, choose_prompts
from sdexp.ground.run import EvaluationFolder
from sdexp.ground.score_records import GuardsRecord
from sdexp.ground.store import Store

SEEN = DrawnScenes("crayon", 0, 60)
HELD_OUT = DrawnScenes("crayon", 200_000, 120)
PROMPTS = 32


def made(pixels: list[np.ndarray]) -> MadePictures:
    return MadePictures(PictureSet.of(np.stack(pixels)), [str(k) for k in range(len(pixels))], 0)


def again(seed: int, look: str = "crayon") -> np.ndarray:
    """The scene of a seed drawn as a model might: all that its caption says, a little elsewhere."""
    rng = random.Random(f"again {seed}")
    scene = make_scene(seed)

    def moved(value: float) -> float:
        return value + rng.uniform(-JITTER, JITTER)

    things = tuple(replace(one, x=moved(one.x), y=moved(one.y)) for one in scene.things)
    return np.asarray(draw(Scene(things, scene.relation, scene.background), look))


def seeds_of(data: DrawnScenes, prompts: list[Prompt]) -> list[int]:
    return [int(data.sample_id(prompt.index).rpartition("-")[2]) for prompt in prompts]


def guarded(
    recipes: Any, store: Store, folder: Path, copies: bool = False, by_heart: bool = False,
    general: str = "plain",
) -> GuardsRecord:  # fmt: skip
    """copies: held-out prompts give training pictures; by_heart: training captions their own."""
    words = ["metric=[kid,clip_score,lpips_gt]", "evaluation.num_train_pictures=100"]
    judging = recipes("evaluation.replicates=1", *words).judging
    prompts = choose_prompts(HELD_OUT, PROMPTS)
    trained = choose_prompts(SEEN, PROMPTS)
    about = [Prompt(f"g{k}", GENERAL, f"a plain picture , {SEEN.captions(k)[0]}", k)
             for k in range(PROMPTS)]  # fmt: skip
    own = {"original": [again(s, "plain") for s in seeds_of(HELD_OUT, prompts)]}
    own["finetuned"] = [
        np.asarray(SEEN[k].image) if copies else again(seed)
        for k, seed in enumerate(seeds_of(HELD_OUT, prompts))
    ]
    of_train = {"original": [again(s, "plain") for s in seeds_of(SEEN, trained)]}
    of_train["finetuned"] = [
        np.asarray(SEEN[prompt.index].image) if by_heart else again(seed)
        for prompt, seed in zip(trained, seeds_of(SEEN, trained), strict=True)
    ]
    of_general = {"original": [again(k, "plain") for k in range(PROMPTS)]}
    of_general["finetuned"] = [again(k + 1000, general) for k in range(PROMPTS)]
    if general == "plain":
        of_general["finetuned"] = [again(k, "plain") for k in range(PROMPTS)]
    held_out = Pictures(prompts, 1, both(own), real_pictures(HELD_OUT, 64))
    asked = {
        GENERAL: Pictures(about, 1, both(of_general), PictureSet.none()),
        TRAIN: Pictures(trained, 1, both(of_train), real_pictures(SEEN, 64)),
    }
    results = Results(EvaluationFolder(folder), judging, held_out)
    guards = Guards(EvaluationFolder(folder), judging, held_out, asked, {"": HELD_OUT, TRAIN: SEEN})
    return guards.score(results.score(store, "cpu"), results.scores)


def both(pixels: dict[str, list[np.ndarray]]) -> dict[str, MadePictures]:
    return {name: made(one) for name, one in pixels.items()}


def test_what_is_learned_well_is_neither_copied_nor_forgotten(
    recipes: Any, store: Store, tmp_path: Path
) -> None:
    found = guarded(recipes, store, tmp_path)
    assert found.copying is not None and found.copying.p > 0.05
    assert found.copying.share.value <= 0.1, "a training caption alone is no copy"
    assert found.copying.train_share.value <= 0.15 and found.copying.train_p > 0.05
    assert (found.copying.n_train_pictures, found.copying.n_held_out_pictures) == (
        60,
        120 - PROMPTS,
    )
    assert found.general["clip_score"].difference == 0 == found.general_drift["lpips_gt"].value
    gap = found.overfit["lpips_gt"]
    assert gap.ci95 is not None and gap.ci95[0] < 0 < gap.ci95[1]
    assert (gap.n_train, gap.n_held_out) == (PROMPTS, PROMPTS)


def test_copies_of_training_pictures_are_found(recipes: Any, store: Store, tmp_path: Path) -> None:
    found = guarded(recipes, store, tmp_path, copies=True)
    assert found.copying is not None and found.copying.p == pytest.approx(0.01)
    assert found.copying.share.value > 0.9
    first = found.copying.nearest[0]
    assert first.too_near and first.cosine == pytest.approx(1, abs=1e-6)
    place = int(Path(first.training_path).stem)
    with Image.open(tmp_path / first.training_path) as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(SEEN[place].image))
    assert first.training_picture == SEEN.picture_id(place)
    assert first.path.startswith("images/finetuned/")


def test_what_training_captions_bring_back_is_found(
    recipes: Any, store: Store, tmp_path: Path
) -> None:
    found = guarded(recipes, store, tmp_path, by_heart=True)
    assert found.copying is not None
    assert found.copying.train_share.value > 0.9 and found.copying.share.value <= 0.1
    assert found.copying.train_p < 0.001
    gap = found.overfit["lpips_gt"]
    assert gap.finetuned > max(0.01, gap.original), "their own pictures lie at distance 0"
    assert gap.difference == pytest.approx(gap.finetuned - gap.original)


def test_what_is_forgotten_is_found(recipes: Any, store: Store, tmp_path: Path) -> None:
    found = guarded(recipes, store, tmp_path, general="crayon")
    assert found.general["clip_score"].verdict == "worse"
    assert found.general_drift["lpips_gt"].value > 0.1


def test_of_few_pictures_nothing_is_said(recipes: Any, store: Store, tmp_path: Path) -> None:
    judging = recipes("metric=[kid]", "evaluation.replicates=1").judging
    prompts = choose_prompts(HELD_OUT, 4)
    trained = choose_prompts(SEEN, 4)
    pixels = {name: [again(k) for k in range(4)] for name in ("original", "finetuned")}
    held_out = Pictures(prompts, 1, both(pixels), real_pictures(HELD_OUT, 64))
    asked = {TRAIN: Pictures(trained, 1, both(pixels), real_pictures(SEEN, 64))}
    folder = EvaluationFolder(tmp_path)
    results = Results(folder, judging, held_out)
    scorer = results.score(store, "cpu")
    guards = Guards(folder, judging, held_out, asked, {"": HELD_OUT, TRAIN: SEEN})
    assert guards.score(scorer, results.scores) == GuardsRecord()

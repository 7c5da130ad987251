"""What an evaluation leaves, and what it warns of."""

from pathlib import Path
from typing import Any

import numpy as np

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.pictures import MadePictures
from sdexp.engine.evaluate.results import Made, Results
from sdexp.engine.evaluate.scorer import Pictures
from sdexp.engine.prompts import Prompt
from sdexp.ground.record_files import read_record
from sdexp.ground.rows import read_rows
from sdexp.ground.run import EvaluationFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.store import Store

LONG = "a red star above a blue heart " * 20


def made(seed: int, blank: int = 0) -> MadePictures:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    return MadePictures(PictureSet.of(pixels), [f"{seed}-{k}" for k in range(6)], blank)


def test_scores_rows_and_warnings(tmp_path: Path, recipes: Any, store: Store) -> None:
    judging = recipes("metric=[fd,clip_score]", "evaluation.num_prompts=9").judging
    prompts = [Prompt(f"id{k}", f"{k}.png", LONG if k else "a star", k) for k in range(6)]
    both = {"original": made(0), "finetuned": made(1, blank=2)}
    folder = EvaluationFolder(tmp_path)
    results = Results(folder, judging, Pictures(prompts, 1, both, made(2).shown))
    results.score(store, "cpu")
    assert results.write(Made(fitted="as they are")) == 12
    rows = read_rows(folder.per_image)
    assert [row.pixel_sha256 for row in rows[6:]] == both["finetuned"].sha256
    assert set(rows[0].scores) == {"clip_score"}
    scores = read_record(folder.scores, ScoresRecord)
    assert scores.fitted == "as they are" and scores.sampling is None and scores.applied is None
    assert len(scores.warnings) == 3
    assert scores.warnings[0].startswith("fd rests on 6 real pictures: below 2048 it is biased")
    assert scores.warnings[1].startswith("clip_score reads only the beginning of 5 of 6 captions")
    assert scores.warnings[2] == "2 of 6 pictures of the finetuned are of one colour"

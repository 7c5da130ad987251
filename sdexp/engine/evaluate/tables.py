"""Scores as tables: a row for each picture, and a row for each prompt and model."""

import numpy as np

from sdexp.engine.evaluate.scorer import Pictures, Score
from sdexp.ground.rows import PictureRow, PromptRow
from sdexp.ground.run import MODELS


def per_prompt_rows(pictures: Pictures, scores: dict[str, Score]) -> list[PromptRow]:
    """One row per model and prompt, with what it adds to each metric that can tell."""
    told = {name: score.prompts for name, score in scores.items() if score.prompts}
    return [
        PromptRow(
            prompt.prompt_id,
            model,
            {name: float(values[model][i]) for name, values in told.items()},
        )
        for model in MODELS
        for i, prompt in enumerate(pictures.prompts)
    ]


def per_image_rows(pictures: Pictures, scores: dict[str, Score]) -> list[PictureRow]:
    """One row per prompt, replicate and model, with the score of each per-picture metric."""
    per_picture = {n: s.features for n, s in scores.items() if s.features["original"].shape[2] == 1}
    return [
        _row(pictures, per_picture, model, i, replicate)
        for model in MODELS
        for i in range(len(pictures.prompts))
        for replicate in range(pictures.replicates)
    ]


def _row(
    pictures: Pictures,
    per_picture: dict[str, dict[str, np.ndarray]],
    model: str,
    i: int,
    replicate: int,
) -> PictureRow:
    prompt = pictures.prompts[i]
    return PictureRow(
        prompt_id=prompt.prompt_id,
        replicate=replicate,
        model=model,
        sample_id=prompt.sample_id,
        caption=prompt.caption,
        path=f"images/{model}/{prompt.prompt_id}_{replicate}.png",
        pixel_sha256=pictures.made[model].sha256[i * pictures.replicates + replicate],
        scores={name: float(f[model][i, replicate, 0]) for name, f in per_picture.items()},
    )

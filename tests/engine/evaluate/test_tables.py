import json
from typing import Any

import numpy as np
import pytest

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.ground.rows import read_prompt_rows, read_rows
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store


def test_a_metric_is_the_mean_of_what_its_prompts_add(
    trained: RunFolder, recipes: Any, store: Store
) -> None:
    """Also a distance between sets; a Frechet distance is not told prompt by prompt."""
    evaluate(Evaluation(trained, trained, recipes("evaluation.replicates=2"), store))
    scores = json.loads(trained.scores.read_text())["metrics"]
    rows = read_prompt_rows(trained.per_prompt)
    assert {row.prompt_id for row in rows} == {r.prompt_id for r in read_rows(trained.per_image)}
    assert len(rows) == 2 * 4 and set(rows[0].values) == {"kid", "clip_score", "lpips_gt"}
    for model in ("original", "finetuned"):
        for name in rows[0].values:
            mean = np.mean([row.values[name] for row in rows if row.model == model])
            assert mean == pytest.approx(scores[name][model], rel=1e-9)

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdexp.engine.evaluate.features import Features
from sdexp.engine.generate.fillers import Pool
from sdexp.engine.generate.grid import Grid
from sdexp.engine.generate.scores import write_scores
from sdexp.engine.images import read_png, save_png
from sdexp.ground.picture_requests import FINETUNED, Fillers, GridConfig
from sdexp.ground.store import Store
from tests.engine.prepare.folders import photos, recipes_of


@pytest.fixture
def grid(tmp_path: Path, recipes: Any) -> Grid:
    data = recipes().dataset.open("test")
    pool = Pool([data.captions(k)[0] for k in range(len(data))])
    made = Grid(
        tmp_path, [FINETUNED], GridConfig("a big red heart", Fillers.prompts, 4, 32), pool, 1
    )
    for place in range(len(made.wanted)):
        save_png(np.asarray(data[place % len(data)].image), made.file(FINETUNED, place))
    return made


def test_scores_are_means_over_pictures_and_pairs(grid: Grid, recipes: Any, store: Store) -> None:
    told = write_scores(grid, recipes(), store, "cpu")
    facts = json.loads((grid.folder / "scores.json").read_text())
    source = Features(recipes().judging.backbones["clip"].start("cpu"), store, "cpu")
    by_kind: dict[tuple[str, str], list[float]] = {}
    for one in grid.cells:
        picture = source.backbone.images(read_png(grid.file_of(FINETUNED, one))[None])[0]
        for other in grid.cells:
            if one.kind == other.kind == "filler" and one != other:
                continue
            text = source.backbone.texts([other.prompt])[0]
            cosine = picture @ text / np.linalg.norm(picture) / np.linalg.norm(text)
            by_kind.setdefault((one.kind, other.kind), []).append(100 * cosine)
    expected = {kinds: np.mean(values) for kinds, values in by_kind.items()}
    found = facts["scores"]["finetuned"]
    assert found == pytest.approx(
        {
            "main": expected["main", "main"],
            "fillers": expected["filler", "filler"],
            "main_pictures_filler_prompts": expected["main", "filler"],
            "filler_pictures_main_prompt": expected["filler", "main"],
        },
        rel=1e-4,
    )
    assert facts["backbone"] == "pocket-clip" and f"finetuned {found['main']:.1f}" in told


def test_without_a_judge_of_this_world_there_are_no_scores(
    grid: Grid, store: Store, tmp_path: Path
) -> None:
    told = write_scores(grid, recipes_of(photos(tmp_path / "photos")), store, "cpu")
    assert told == "no CLIP scores: no CLIP that knows such pictures is on this machine"
    assert not (grid.folder / "scores.json").exists()

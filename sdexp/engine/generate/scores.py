"""How well the pictures of a grid fit their prompts, and each other's."""

import json
from dataclasses import asdict, dataclass

import numpy as np

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.engine.generate.grid import MAIN, Grid
from sdexp.engine.images import read_png
from sdexp.ground.errors import DataError
from sdexp.ground.files import write_text
from sdexp.ground.picture_requests import Variant
from sdexp.ground.store import Store
from sdexp.recipes import Recipes

SCORES = "scores.json"


@dataclass(frozen=True)
class GridScores:
    """Means of 100 x cosine of CLIP embeddings, over pictures or pairs of one variant.

    main: main pictures and the main prompt; fillers: fillers and their own prompts; the other two
    are pairs that do not belong together.
    """

    main: float
    fillers: float
    main_pictures_filler_prompts: float
    filler_pictures_main_prompt: float


def write_scores(grid: Grid, recipes: Recipes, store: Store, device: str) -> str:
    """Write `scores.json`, where a judge is on this machine; what there is to say, in a line."""
    name = judge_of(recipes)
    if name is None:
        return "no CLIP scores: no CLIP that knows such pictures is on this machine"
    source = Features(recipes.judging.backbones[name].start(device), store, device)
    scores = {variant.name: _scores(grid, variant, source) for variant in grid.variants}
    facts = {
        "backbone": source.backbone.name,
        "backbone_sha256": source.backbone.sha256,
        "unit": "cosine x 100",
        "scores": {variant: asdict(one) for variant, one in scores.items()},
    }
    write_text(grid.folder / SCORES, f"{json.dumps(facts, indent=1)}\n")
    told = ", ".join(f"{variant} {one.main:.1f}" for variant, one in scores.items())
    return f"CLIP score of the main pictures ({source.backbone.name}): {told}"


def judge_of(recipes: Recipes) -> str | None:
    """A backbone for pictures and texts of this world: one that the run uses, or any other."""
    judging = recipes.judging
    for name in [*judging.used, *judging.backbones]:
        backbone = judging.backbones[name]
        knows = backbone.is_embedded == recipes.dataset.is_embedded
        compares = {"images", "texts"} <= backbone.gives
        if knows and compares and not judging.missing_files([name], reachable=False):
            return name
    return None


def _scores(grid: Grid, variant: Variant, source: Features) -> GridScores:
    files = [grid.file_of(variant, cell) for cell in grid.cells]
    pictures = PictureSet(len(files), lambda k: read_png(files[k]), shared=False)
    seen = _unit(source.images(pictures))
    said = _unit(source.texts([cell.prompt for cell in grid.cells]))
    fits = 100 * seen @ said.T
    is_main = np.array([cell.kind == MAIN for cell in grid.cells])
    return GridScores(
        main=float(fits[is_main][:, is_main].mean()),
        fillers=float(np.diag(fits)[~is_main].mean()),
        main_pictures_filler_prompts=float(fits[is_main][:, ~is_main].mean()),
        filler_pictures_main_prompt=float(fits[~is_main][:, is_main].mean()),
    )


def _unit(features: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not lengths.all():
        raise DataError("a judge gives a picture or prompt no direction")
    return features / lengths

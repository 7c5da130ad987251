"""Pictures of one prompt from original and finetuned, side by side."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdexp.engine.evaluate.pictures import PICTURES, pictures_key
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import save_png
from sdexp.engine.progress import say
from sdexp.engine.prompts import noise_of
from sdexp.ground.interrupt import interruptible
from sdexp.ground.run import MODELS, RunFolder
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel, Sampling
from sdexp.recipes import Recipes

GAP = 8


def generate(run: RunFolder, recipes: Recipes, store: Store, request: dict[str, Any]) -> None:
    """Write `<folder>/<model>_<seed>.png` and `side_by_side.png`: a row per seed, original left.

    Pictures that an earlier or an interrupted command made come from the store.

    request: folder, prompt, seeds, and the sampling settings of both models.
    """
    folder = Path(request["folder"])
    device = str(make_accelerator(recipes.hardware).device)
    columns = []
    for name in MODELS:
        model = recipes.model.load(device, "float32")
        if name == "finetuned":
            recipes.finetune.restore(model, run.weights).check(str(run.weights))
        columns.append(_pictures(model, recipes, store, request))
        for seed, picture in zip(request["seeds"], columns[-1], strict=True):
            save_png(picture, folder / f"{name}_{seed}.png")
    save_png(_side_by_side(*columns), folder / "side_by_side.png")
    say(f"original left, finetuned right: {folder / 'side_by_side.png'}")


def _pictures(
    model: LoadedModel, recipes: Recipes, store: Store, request: dict[str, Any]
) -> np.ndarray:
    """uint8 [seeds, H, W, 3]; a seed gives the same noise to both models."""
    resolution = recipes.training.resolution or model.sample_size
    sampling = Sampling(resolution=resolution, **request["sampling"])
    shape = model.latent_shape(resolution)

    def make(seed: int) -> dict[str, np.ndarray]:
        noise = noise_of([("generate", 0)], shape, seed)
        with interruptible():
            return {"pixels": model.generate([request["prompt"]], noise, sampling)}

    pictures = []
    for seed in request["seeds"]:
        key = pictures_key(model, sampling, ["generate", request["prompt"], seed])
        arrays, _ = store.get_or_make(PICTURES, key, partial(make, seed))
        pictures.append(arrays["pixels"][0])
    return np.stack(pictures)


def _side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """White gaps between the pictures; small ones are enlarged without smoothing."""
    factor = max(1, 256 // left.shape[1])
    side = left.shape[1] * factor
    sheet = Image.new("RGB", (2 * side + 3 * GAP, len(left) * (side + GAP) + GAP), "white")
    for row, pair in enumerate(zip(left, right, strict=True)):
        for column, picture in enumerate(pair):
            big = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(big, (GAP + column * (side + GAP), GAP + row * (side + GAP)))
    return np.asarray(sheet)

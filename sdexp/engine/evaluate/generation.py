"""Pictures of one prompt from original and finetuned, side by side."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from sdexp.engine.evaluate.pictures import PICTURES, pictures_key
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import save_png
from sdexp.engine.originals import check_original
from sdexp.engine.progress import say
from sdexp.engine.prompts import draws_of
from sdexp.engine.weights import apply_weights
from sdexp.ground.interrupt import interruptible
from sdexp.ground.records import GenerateRequest
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

GAP = 8


def generate(
    run: RunFolder, folder: Path, recipes: Recipes, store: Store, request: GenerateRequest
) -> None:
    """Write `<folder>/<model>_<seed>.png` and `side_by_side.png`: a row per seed, original left.

    Pictures that an earlier or an interrupted command made come from the store.
    """
    model = recipes.model.load(str(make_accelerator(recipes.hardware).device))
    check_original(run, model.fingerprints())
    apply_weights(recipes.finetune, model, run.weights).undo()
    columns = {"original": _pictures(model, recipes, store, request)}
    apply_weights(recipes.finetune, model, run.weights)
    columns["finetuned"] = _pictures(model, recipes, store, request)
    for name, pictures in columns.items():
        for seed, picture in zip(request.seeds, pictures, strict=True):
            save_png(picture, folder / f"{name}_{seed}.png")
    save_png(_side_by_side(*columns.values()), folder / "side_by_side.png")
    say(f"original left, finetuned right: {folder / 'side_by_side.png'}")


def _pictures(
    model: LoadedModel, recipes: Recipes, store: Store, request: GenerateRequest
) -> np.ndarray:
    """uint8 [seeds, H, W, 3]; a seed gives the same noise to both models."""
    resolution = recipes.training.resolution or model.sample_size
    sampling = Sampling(
        sampler=request.sampler,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        negative_prompt=request.negative_prompt,
        resolution=resolution,
    )
    shape = model.latent_shape(resolution)

    def make(seed: int) -> dict[str, np.ndarray]:
        draws = draws_of([("generate", 0)], shape, seed)
        with interruptible():
            return {"pixels": model.generate([request.prompt], draws, sampling)}

    pictures = []
    for seed in request.seeds:
        key = pictures_key(model, sampling, ["generate", request.prompt, seed])
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

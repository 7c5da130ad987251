"""Pictures of prompts from original and finetuned, side by side."""

import re
from functools import partial
from pathlib import Path

import numpy as np

from sdexp.engine.evaluate.pictures import PICTURES, pictures_key
from sdexp.engine.evaluate.sheet import Row, side_by_side
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import recipe_texts, save_png
from sdexp.engine.originals import check_original
from sdexp.engine.prompts import draws_of
from sdexp.engine.weights import apply_weights
from sdexp.ground.interrupt import interruptible
from sdexp.ground.progress import Progress, say
from sdexp.ground.records import GenerateRequest
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

MODELS = {"original": "orig", "finetuned": "fine"}
WORDS_LENGTH = 50


def generate(
    run: RunFolder, folder: Path, recipes: Recipes, store: Store, request: GenerateRequest
) -> None:
    """Write a picture of each model for each prompt and seed, and `side_by_side.png`.

    Of one prompt they are `<model>_<seed>.png`, of several `cmp_<i>_<words>_<orig|fine>.png`, with
    the seed behind the words where there are several. Pictures that an earlier or an interrupted
    command made come from the store.
    """
    model = recipes.model.load(str(make_accelerator(recipes.hardware).device))
    check_original(run, model.fingerprints())
    apply_weights(recipes.finetune, model, run.weights).undo()
    sampling = _sampling(model, recipes, request)
    made = {"original": _pictures(model, store, request, sampling, "original")}
    apply_weights(recipes.finetune, model, run.weights)
    made["finetuned"] = _pictures(model, store, request, sampling, "finetuned")
    pairs = [
        (i, prompt, seed) for i, prompt in enumerate(request.prompts) for seed in request.seeds
    ]
    for name, pictures in made.items():
        for (i, prompt, seed), picture in zip(pairs, pictures, strict=True):
            texts = recipe_texts(prompt, (seed,), sampling, weights=name, run=run.path.name)
            save_png(picture, folder / _file_name(request, i, seed, name), texts)
    rows = [
        Row(f"{prompt} (seed {seed})", (original, finetuned))
        for (_, prompt, seed), original, finetuned in zip(pairs, *made.values(), strict=True)
    ]
    save_png(side_by_side(list(made), rows), folder / "side_by_side.png")
    say(f"original left, finetuned right: {folder / 'side_by_side.png'}")


def _file_name(request: GenerateRequest, place: int, seed: int, model: str) -> str:
    if len(request.prompts) == 1:
        return f"{model}_{seed}.png"
    words = re.sub(r"[^0-9A-Za-z]", "_", request.prompts[place])[:WORDS_LENGTH]
    seeded = f"{words}_{seed}" if len(request.seeds) > 1 else words
    return f"cmp_{place}_{seeded}_{MODELS[model]}.png"


def _sampling(model: LoadedModel, recipes: Recipes, request: GenerateRequest) -> Sampling:
    return Sampling(
        sampler=request.sampler,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        negative_prompt=request.negative_prompt,
        resolution=recipes.training.resolution or model.sample_size,
    )


def _pictures(
    model: LoadedModel, store: Store, request: GenerateRequest, sampling: Sampling, name: str
) -> np.ndarray:
    """uint8 [prompts x seeds, H, W, 3]; a seed gives the same noise to both models."""
    shape = model.latent_shape(sampling.resolution)

    def make(prompt: str, seed: int) -> dict[str, np.ndarray]:
        draws = draws_of([("generate", 0)], shape, seed)
        with interruptible():
            return {"pixels": model.generate([prompt], draws, sampling)}

    total = len(request.prompts) * len(request.seeds)
    progress = Progress(f"pictures of the {name}", total, 0, total > 1, unit="picture")
    pictures = []
    for prompt in request.prompts:
        for seed in request.seeds:
            key = pictures_key(model, sampling, ["generate", prompt, seed])
            arrays, _ = store.get_or_make(PICTURES, key, partial(make, prompt, seed))
            pictures.append(arrays["pixels"][0])
            progress.advance("")
    progress.close()
    return np.stack(pictures)
